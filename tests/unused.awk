# Functions that headers declare and nothing uses: of the files given, the names ps_... that stand nowhere beside their own
# declaration and definition. The comment right above a declaration may say that it is for tests ("For tests").
# Comments and strings are no uses.

function strip(line,    out, start, end) { # the line without strings and comments; keeps the last in `comment`
    out = ""
    if (!inside) gsub(/'\\?"'/, "' '", line)
    while (line != "") {
        if (inside) {
            end = index(line, "*/")
            if (!end) { comment = comment " " line; return out }
            comment = comment " " substr(line, 1, end - 1)
            line = substr(line, end + 2); inside = 0
        } else {
            start = index(line, "/*")
            if (match(line, /"([^"\\]|\\.)*"/) && (!start || RSTART < start)) {
                out = out substr(line, 1, RSTART - 1) "\"\""
                line = substr(line, RSTART + RLENGTH)
                continue
            }
            if (!start) return out line
            out = out substr(line, 1, start - 1)
            line = substr(line, start + 2); inside = 1
            if (statement == "" && out ~ /^[ \t]*$/) comment = ""
        }
    }
    return out
}

function count(code) {
    while (match(code, /ps_[a-zA-Z0-9_]+/)) {
        before = RSTART > 1 ? substr(code, RSTART - 1, 1) : " "
        if (before !~ /[a-zA-Z0-9_]/) uses[substr(code, RSTART, RLENGTH)]++
        code = substr(code, RSTART + RLENGTH)
    }
}

# A declaration, or a function whose body stands in the header.
function declared(text, line,    name) {
    if (text ~ /^[ \t]*(typedef|#|extern|struct|enum|union)/) return
    if (!match(text, /ps_[a-zA-Z0-9_]+\(/)) {
        if (text !~ /PS_SIMD_DECLARE/ || !match(text, /ps_[a-zA-Z0-9_]+,/)) return
    }
    name = substr(text, RSTART, RLENGTH - 1)
    if (name in place) return
    place[name] = FILENAME ":" line
    own[name] = text ~ /\{/ ? 1 : 2
    if (tolower(comment) ~ /for( the)? tests/) spared[name] = 1
}

FNR == 1 { inside = 0; statement = ""; comment = ""; depth = 0; macro = 0 }
{
    code = strip($0)
    count(code)
    if (FILENAME !~ /\.h$/) next
    if (macro || code ~ /^[ \t]*#/) { macro = code ~ /\\$/; next }
    if (code ~ /^[ \t]*$/) { if (statement == "" && $0 ~ /^[ \t]*$/) comment = ""; next }
    if (statement == "") begun = FNR
    if (depth == 0) statement = statement " " code
    opened = gsub(/\{/, "{", code); closed = gsub(/\}/, "}", code)
    depth += opened - closed
    if (depth == 0 && code ~ /[;}][ \t]*$/) { declared(statement, begun); statement = ""; comment = "" }
}
END {
    for (name in place)
        if (uses[name] <= own[name] && !(name in spared))
            print place[name] ": nothing uses " name " (where only tests do, the comment above it says so)"
}
