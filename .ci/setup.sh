#!/bin/sh
# Installs what the build, the reports and the tests need on Debian 12, 13 and their relatives; elsewhere says what to install.
# Does nothing (and asks for no rights) when everything is there. PS_SETUP_EXTRA names further packages (CI asks for more).
#   .ci/setup.sh           what README's two commands need
#   .ci/setup.sh venv      besides: .venv with PyTorch, NumPy, Pillow, jsonschema, MONAI, nnU-Net, surface-distance, Lightning, transformers, TensorBoard and clang-format, for all tests and `make lint`. Where pip
#                          cannot have the CPU build of PyTorch, Debian's python3-torch takes its place
set -eu
cd "$(dirname "$0")/.."
packages="gcc make pkg-config libopenblas-dev liblapacke-dev libcjson-dev zlib1g-dev libzstd-dev libpng-dev libjpeg-dev libnifti2-dev libncurses-dev libcmocka-dev gnuplot-nox python3 ${PS_SETUP_EXTRA:-}"
torch=2.13.0
formatter=$(sed -n 's/^version=//p' tests/format.sh)
venv=$PWD/.venv

say_what_is_missing() { # elsewhere than on Debian
    missing=""
    for program in cc make gnuplot python3; do command -v "$program" >/dev/null 2>&1 || missing="$missing $program"; done
    for header in cblas.h lapacke.h cjson/cJSON.h zlib.h zstd.h png.h jpeglib.h nifti/nifti2.h ncurses.h cmocka.h; do
        printf '#include <stdarg.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <stdio.h>\n#include <setjmp.h>\n#include <%s>\n' "$header" |
            cc -E - >/dev/null 2>&1 || missing="$missing $header"
    done
    [ -z "$missing" ] && return
    echo "This is no Debian-like system, so please install by hand:$missing" >&2
    echo "(a C11 compiler, GNU make, OpenBLAS with cblas.h, LAPACKE, cJSON, zlib, libzstd, libpng, libjpeg, libnifti2, ncurses, cmocka, gnuplot, and Python 3 for the tests)." >&2
    exit 2
}

install_packages() { # name...
    missing=""
    for package in "$@"; do
        status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
        case "$status" in "install ok installed") ;; *) missing="$missing $package" ;; esac
    done
    # Any npm will do: Debian's would throw out that of nodejs.org.
    command -v npm >/dev/null 2>&1 && missing=$(echo "$missing" | sed 's/ npm\>//')
    # The package behind Debian's name for the JPEG library, which is another one in its relatives.
    case "$(dpkg-query -W -f '${Status}' libjpeg62-turbo-dev 2>/dev/null || true)" in
        "install ok installed") missing=$(echo "$missing" | sed 's/ libjpeg-dev\>//') ;;
    esac
    # So will any gnuplot and any Python (which the tests alone want).
    command -v gnuplot >/dev/null 2>&1 && missing=$(echo "$missing" | sed 's/ gnuplot-nox\>//')
    command -v python3 >/dev/null 2>&1 && missing=$(echo "$missing" | sed 's/ python3\( \|$\)/\1/')
    [ -z "$(echo "$missing" | tr -d ' ')" ] && return
    as_root=""
    if [ "$(id -u)" != 0 ]; then
        if command -v sudo >/dev/null 2>&1; then as_root=sudo; else
            echo "Missing packages:$missing" >&2
            echo "Run as root: apt-get install$missing" >&2
            exit 2
        fi
    fi
    echo "Installing missing packages:$missing"
    $as_root apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

has() { "$venv/bin/python" -c "import importlib.util, sys; sys.exit(importlib.util.find_spec('$1') is None)" 2>/dev/null; }

pip() { "$venv/bin/python" -m pip install --quiet --only-binary :all: --retries 1 "$@"; }

# "+cpu" names the build without CUDA, which alone would bring several GB; it lies among the wheels of this machine or on PyTorch's own index.
install_torch() {
    has torch && return
    echo "Installing PyTorch $torch (CPU) into .venv"
    pip "torch==$torch+cpu" >/dev/null 2>&1 && return
    pip --timeout 15 --index-url "${PS_TORCH_INDEX:-https://download.pytorch.org/whl/cpu}" "torch==$torch+cpu" >/dev/null 2>&1 && return
    echo "pip cannot have PyTorch $torch (CPU) for $("$venv/bin/python" --version); Debian's python3-torch takes its place"
    install_packages python3-torch python3-numpy python3-pil python3-jsonschema
}

# Programs that planning, losses and measures of segmentation are compared with. Packages that ask for torchvision or for another PyTorch come
# without what they ask for, and that by name: the PyTorch that is there stays.
install_segmentation() {
    has monai && has nnunetv2 && has surface_distance && return
    echo "Installing MONAI, nnU-Net and surface-distance into .venv"
    kept=$(mktemp)
    "$venv/bin/python" -m pip freeze 2>/dev/null | grep '^torch==' >"$kept" || true
    pip --constraint "$kept" scipy absl-py monai==1.6.1 nibabel scikit-image scikit-learn pandas SimpleITK tqdm requests tifffile matplotlib \
        seaborn graphviz einops blosc2 imagecodecs connected-components-3d pyyaml safetensors huggingface_hub || true
    "$venv/bin/python" -m pip install --quiet --retries 1 --no-deps surface-distance==0.1 nnunetv2==2.8.1 acvl-utils==0.2.6 \
        dynamic-network-architectures==0.4.4 batchgenerators==0.25.5 batchgeneratorsv2==0.3.6 timm==1.0.22 future yacs unittest2 traceback2 \
        linecache2 argparse six || true
    rm -f "$kept"
    has monai && has nnunetv2 && has surface_distance && return
    echo "pip cannot have all of MONAI, nnU-Net and surface-distance; tests beside them are skipped"
}

# Frameworks around PyTorch that the recorder is tried in, and TensorBoard, whose files are read and written; without what they ask for, but for what they need.
install_frameworks() {
    has lightning && has transformers && has accelerate && has tensorboard && return
    echo "Installing Lightning, transformers and TensorBoard into .venv"
    kept=$(mktemp)
    "$venv/bin/python" -m pip freeze 2>/dev/null | grep '^torch==' >"$kept" || true
    pip --constraint "$kept" tokenizers regex safetensors pyyaml tqdm packaging requests huggingface_hub psutil typing_extensions tensorboard==2.21.0 || true
    "$venv/bin/python" -m pip install --quiet --retries 1 --no-deps lightning==2.6.6 pytorch-lightning torchmetrics lightning-utilities \
        transformers==5.24.0 accelerate || true
    rm -f "$kept"
    has lightning && has transformers && has accelerate && has tensorboard && return
    echo "pip cannot have all of Lightning, transformers, accelerate and TensorBoard; tests in them are skipped"
}

make_venv() {
    command -v dpkg-query >/dev/null 2>&1 && install_packages python3 python3-venv
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    has numpy && has PIL && has jsonschema && [ -x "$venv/bin/clang-format" ] || pip numpy pillow jsonschema "clang-format==$formatter"
    install_torch
    install_segmentation
    install_frameworks
}

if command -v dpkg-query >/dev/null 2>&1; then install_packages $packages; else say_what_is_missing; fi
if [ "${1:-}" = venv ]; then make_venv; fi
