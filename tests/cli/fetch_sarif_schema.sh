#!/bin/sh
# Puts the whole SARIF 2.1.0 schema of OASIS at build/schemas/sarif-2.1.0.json, unless it is there already. It comes with Microsoft's package of
# matchers for SARIF (MIT), from the npm registry; version and content are pinned. Exit 1 where npm or the registry cannot be had.
set -eu
cd "$(dirname "$0")/../.."
package=@microsoft/jest-sarif@1.0.0-beta.0
digest=2d99159ae54a3eea97f81781cff48780548657c35949f4b7f25e99a2ba4de4f8
target=build/schemas/sarif-2.1.0.json
same() { [ -s "$1" ] && [ "$(sha256sum <"$1" | cut -d ' ' -f 1)" = "$digest" ]; }
same "$target" && exit 0
command -v npm >/dev/null 2>&1 || { echo "npm is missing" >&2; exit 1; }
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
timeout 60 npm pack --silent --pack-destination "$work" "$package" >/dev/null
tar -xzf "$work"/*.tgz -C "$work" package/lib/schemas/sarif-2.1.0-rtm.5.json
same "$work/package/lib/schemas/sarif-2.1.0-rtm.5.json" || { echo "$package does not hold the schema that is expected" >&2; exit 1; }
mkdir -p build/schemas
mv "$work/package/lib/schemas/sarif-2.1.0-rtm.5.json" "$target"
