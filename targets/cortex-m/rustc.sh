#!/bin/sh
# rustc, which builds the project's own crates for the core in RESIDUA_CPU. Everything else is built for the architecture
# alone, since the compiler cannot build `core` for each core.
rustc=$1
shift
case "$CARGO_PKG_NAME $*" in
    residua*" --target "*) exec "$rustc" "$@" -C target-cpu="$RESIDUA_CPU" ;;
    *) exec "$rustc" "$@" ;;
esac
