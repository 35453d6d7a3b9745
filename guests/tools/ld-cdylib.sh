#!/usr/bin/env bash
# Stands where rustc expects a C compiler as the linker: Debian's rustc links a cdylib only with the flavour `gnu-cc`.
# Drops what only a C compiler understands, unpacks -Wl, and calls ld.lld.
set -euo pipefail
args=()
for arg in "$@"; do
    case $arg in
    -nostdlib | -nostartfiles | -nodefaultlibs) ;;
    -static-pie) args+=(-static -pie --no-dynamic-linker) ;;
    -Wl,*)
        IFS=, read -ra parts <<<"${arg#-Wl,}"
        args+=("${parts[@]}")
        ;;
    *) args+=("$arg") ;;
    esac
done
exec ld.lld-22 "${args[@]}"
