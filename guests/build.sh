#!/usr/bin/env bash
# Rebuilds the guest blobs and their expected outputs. Usage: guests/build.sh [c] [sdk] [official] [check]   (default: all)
#   c      C guests: PVM blobs of both versions, wasm modules and native programs, expected.json
#   sdk    Rust SDK services of our own
#   official   the SDK's bootstrap service and null authorizer (Gray Paper 0.8.0)
#   check  runs every blob in the polkavm crate's interpreter, the C ones against expected.json
# Needs the packages named in README.md. Build products go to $GUESTS_BUILD_DIR (default /tmp/guests-build).
set -euo pipefail
cd "$(dirname "$0")"

build=${GUESTS_BUILD_DIR:-/tmp/guests-build}
export CARGO_TARGET_DIR=$build/target
versions=(0.7.2 0.8.0)
guest_version=0.1.0
sdk_stack=65536

warnings=(-Wall -Wextra -Werror)
# Freestanding in every build, so that the three compilers see the same program.
common=(-std=gnu11 -O2 -ffreestanding -fno-builtin "${warnings[@]}")
pvm_flags=(--target=riscv64-unknown-none-elf -march=rv64emac_zbb_xtheadcondmov -mabi=lp64e -mno-relax -nostdlib -fPIE
    -fvisibility=hidden -fno-asynchronous-unwind-tables -ffunction-sections)
# The SDK's target for Gray Paper 0.8.0 has unaligned accesses (`+unaligned-scalar-mem`), its older one does not.
declare -A pvm_flags_of=([0.7.2]='-mstrict-align' [0.8.0]='-mno-strict-align')
pvm_link=(--emit-relocs --unique --apply-dynamic-relocs --no-allow-shlib-undefined -Bsymbolic -pie
    --no-dynamic-linker -z notext -e 0 --gc-sections)
wasm_link=(--no-entry --gc-sections -z stack-size=8388608)

tool() { # tool VERSION ARGS...: the linker and runner of one Gray Paper version
    local version=$1
    shift
    "$CARGO_TARGET_DIR/debug/guest-tool-${version//./-}" "$@"
}

build_tools() {
    for version in "${versions[@]}"; do
        cargo build --quiet --locked --manifest-path "tools/pvm-$version/Cargo.toml"
    done
}

c_guests() {
    for source in c/*.c; do
        local name
        name=$(basename "$source" .c)
        [ "$name" = rt ] || echo "$name"
    done
}

compile_pvm() { # compile_pvm VERSION SOURCE OBJECT
    clang-22 "${common[@]}" "${pvm_flags[@]}" "${pvm_flags_of[$1]}" -c "$2" -o "$3"
}

build_c_guest() { # build_c_guest NAME
    local name=$1 out=$build/c
    for version in "${versions[@]}"; do
        compile_pvm "$version" "c/$name.c" "$out/$name-$version.o"
        ld.lld-22 "${pvm_link[@]}" "$out/$name-$version.o" "$out/rt-pvm-$version.o" -o "$out/$name-$version.elf"
        tool "$version" link "$out/$name-$version.elf" "blobs/$version/$name.jam" "$name" "$guest_version" 8192 \
            guest_entry guest_entry
    done
    clang-22 "${common[@]}" --target=wasm32 -c "c/$name.c" -o "$out/$name.wasm.o"
    wasm-ld-22 "${wasm_link[@]}" "$out/$name.wasm.o" "$out/rt-wasm.o" -o "$out/$name.wasm"
    gcc "${common[@]}" "c/$name.c" -o "$out/$name-gcc"
    clang-22 "${common[@]}" "c/$name.c" -o "$out/$name-native"
}

le32() { # le32 N: four little-endian bytes as hex
    printf '%02x%02x%02x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255))
}

cases() { # cases NAME: lines "case args_hex"
    if [ "$1" = sum ]; then
        echo "default -"
        echo "small 01000000000000000200000000000000ffffffffffffffff"
        printf 'bench '
        for ((i = 0; i < 256; i++)); do printf '%02x00000000%02x0000' $((i * 7 % 256)) $((i % 256)); done
        echo
        return
    fi
    local small bench
    read -r small bench < <(awk -v name="$1" '$1 == name { print $2, $3 }' c/sizes.txt)
    echo "default -"
    echo "small $(le32 "$small")"
    echo "bench $(le32 "$bench")"
}

write_expected() {
    local first=1
    {
        echo '{'
        for name in $(c_guests); do
            [ "$first" = 1 ] || echo ','
            first=0
            printf '  "%s": [\n' "$name"
            local separator=''
            while read -r label args; do
                [ "$args" = - ] && args=
                local by_gcc by_clang ns
                by_gcc=$("$build/c/$name-gcc" "$args")
                read -r by_clang ns < <("$build/c/$name-native" "$args" 3)
                if [ "$by_gcc" != "$by_clang" ]; then
                    echo "$name $label: gcc gives $by_gcc, clang gives $by_clang" >&2
                    exit 1
                fi
                printf '%-12s %-8s %10d ns native\n' "$name" "$label" "$ns" >&2
                printf '%s    { "case": "%s", "args": "%s", "output": "%s" }' "$separator" "$label" "$args" "$by_gcc"
                separator=$',\n'
            done < <(cases "$name")
            printf '\n  ]'
        done
        printf '\n}\n'
    } >"$build/expected.json"
    mv "$build/expected.json" expected.json
}

build_c() {
    mkdir -p "$build/c"
    for version in "${versions[@]}"; do
        compile_pvm "$version" c/rt.c "$build/c/rt-pvm-$version.o"
    done
    clang-22 "${common[@]}" --target=wasm32 -c c/rt.c -o "$build/c/rt-wasm.o"
    for name in $(c_guests); do
        build_c_guest "$name"
    done
    write_expected
}

# cargo_guest MANIFEST VERSION [ARGS...]: builds a cdylib for PVM with Debian's rustc, which brings its library sources
cargo_guest() {
    local manifest=$1 version=$2
    shift 2
    RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zunstable-options -Cpanic=immediate-abort" \
        cargo rustc --quiet --lib --crate-type=cdylib --release -Z build-std=core,alloc -Z build-std-features=compiler-builtins-mem -Z json-target-spec \
        --target "$build/riscv-polkavm-$version.json" --manifest-path "$manifest" "$@"
}

build_sdk() {
    for version in "${versions[@]}"; do
        tool "$version" target "$PWD/tools/ld-cdylib.sh" >"$build/riscv-polkavm-$version.json"
        local elves=$CARGO_TARGET_DIR/riscv-polkavm-$version/release
        for guest in probe authorizer; do
            cargo_guest "sdk/$version/$guest/Cargo.toml" "$version" --locked
            local entries=(refine_ext accumulate_ext)
            [ "$guest" = probe ] || entries=(is_authorized_ext)
            tool "$version" link "$elves/tvm_$guest.elf" "blobs/$version/$guest.jam" "tvm-$guest" "$guest_version" \
                "$sdk_stack" "${entries[@]}"
        done
    done
}

# The official services, for Gray Paper 0.8.0. Their sources come from the registry and stay out of the repository.
build_official() {
    local version=0.8.0 src=$build/official elves=$CARGO_TARGET_DIR/riscv-polkavm-0.8.0/release
    local bootstrap=jam-bootstrap-service null=jam-null-authorizer
    tool "$version" target "$PWD/tools/ld-cdylib.sh" >"$build/riscv-polkavm-$version.json"
    rm -rf "$src"
    cargo vendor --quiet --locked --versioned-dirs --manifest-path sdk/official/Cargo.toml "$src" >"$build/vendor.log"

    cargo_guest "$src/$bootstrap-0.1.29/Cargo.toml" "$version" --locked
    tool "$version" link "$elves/jam_bootstrap_service.elf" "blobs/$version/$bootstrap.jam" "$bootstrap" 0.1.29 \
        "$sdk_stack" refine_ext accumulate_ext

    # Written for an older SDK: raise its dependencies, and fetch what is_authorized no longer gets as parameters.
    local dir=$src/$null-0.1.22
    sed -i -e 's/^version = "0\.1\.22"$/version = "=0.1.29"/' -e 's/"0\.24\.0"/"=0.37.0"/' \
        -e '/^    "jam-.*tiny",$/d' -e '/^\[package\]/,/^$/s/=0\.1\.29/0.1.22/' "$dir/Cargo.toml"
    sed -i -e 's/param: AuthConfig, package: WorkPackage, //' \
        -e '/fn is_authorized(/a let package = work_package(); let param = &package.authorizer.config;' "$dir/src/lib.rs"
    cp sdk/official/$null.lock "$dir/Cargo.lock"
    cargo_guest "$dir/Cargo.toml" "$version" --locked
    tool "$version" link "$elves/jam_null_authorizer.elf" "blobs/$version/$null.jam" "$null" 0.1.22 \
        "$sdk_stack" is_authorized_ext
}

check() {
    local failed=0 count=0
    for name in $(c_guests); do
        while IFS=: read -r args output; do
            for version in "${versions[@]}"; do
                for pc in 0 5; do
                    local got
                    got=$(tool "$version" run "blobs/$version/$name.jam" "$pc" "$args" 2>"$build/run.log") || true
                    count=$((count + 1))
                    [ "$got" = "$output" ] && continue
                    failed=$((failed + 1))
                    echo "$version/$name entered at $pc with '$args': expected $output, found '$got'; $(tail -1 "$build/run.log")" >&2
                done
            done
        done < <(awk -v name="\"$name\":" '$1 == name { on = 1 } /^  \]/ { on = 0 } on' expected.json |
            sed -n 's/.*"args": "\(.*\)", "output": "\(.*\)".*/\1:\2/p')
    done
    echo "$((count - failed)) passed, $failed failed"
    [ "$failed" = 0 ]
    python3 check_sdk.py "$CARGO_TARGET_DIR/debug"
    python3 reference.py
}

write_sums() {
    sha256sum blobs/*/*.jam >SHA256SUMS
}

mkdir -p "$build" blobs/0.7.2 blobs/0.8.0
build_tools
[ $# -gt 0 ] || set -- c sdk official check
for step in "$@"; do
    case $step in
    c) build_c ;;
    sdk) build_sdk ;;
    official) build_official ;;
    check) check ;;
    *) echo "unknown step $step" >&2; exit 2 ;;
    esac
done
write_sums
