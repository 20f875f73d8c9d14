#!/usr/bin/env bash
# Installs what the tests need and is missing. Runs again without harm, says little.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target"
target=$(cd "$target" && pwd)
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

# pg_query needs a C compiler and libclang to build; the tests need PostgreSQL, Node.js, Java, openssl and sqlsmith.
missing=()
compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || missing+=(postgresql)
command -v psql >/dev/null || missing+=(postgresql-client)
command -v clang >/dev/null || missing+=(clang)
ls /usr/lib/llvm-*/lib/libclang*.so* >/dev/null 2>&1 || missing+=(libclang-dev)
command -v cc >/dev/null || missing+=(gcc libc6-dev)
command -v openssl >/dev/null || missing+=(openssl)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
command -v javac >/dev/null || missing+=(default-jdk-headless)
command -v python3 >/dev/null || missing+=(python3)
python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || missing+=(python3-venv)
command -v sqlsmith >/dev/null || missing+=(sqlsmith)
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  as_root apt-get -qq update >/dev/null
  as_root apt-get -qq install -y --no-install-recommends "${missing[@]}" >"$target/apt.log" 2>&1 ||
    { cat "$target/apt.log"; exit 1; }
fi

# Python clients in an environment of their own.
venv=$target/clients/venv
if ! cmp -s tests/clients/requirements.txt "$venv/requirements.txt"; then
  echo "installing Python clients"
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" --quiet --disable-pip-version-check install -r tests/clients/requirements.txt
  cp tests/clients/requirements.txt "$venv/requirements.txt"
fi

# Node clients outside of the source tree.
node=$target/clients/node
if ! cmp -s tests/clients/node/package.json "$node/installed.json"; then
  echo "installing Node clients"
  rm -rf "$node"
  mkdir -p "$node"
  cp tests/clients/node/package.json "$node/"
  (cd "$node" && npm install --silent --no-audit --no-fund >npm.log 2>&1) || { cat "$node/npm.log"; exit 1; }
  cp tests/clients/node/package.json "$node/installed.json"
fi

# The JDBC driver as Debian packs it, unpacked beside the others.
java=$target/clients/java
if [ ! -e "$java/postgresql.jar" ]; then
  echo "installing the JDBC driver"
  rm -rf "$java"
  mkdir -p "$java"
  download() { (cd "$java" && apt-get -qq download libpostgresql-jdbc-java >apt.log 2>&1); }
  download || { as_root apt-get -qq update >/dev/null; download; } || { cat "$java/apt.log"; exit 1; }
  dpkg -x "$java"/*.deb "$java"
  rm "$java"/*.deb
  mv "$java/usr/share/java/postgresql.jar" "$java/"
  rm -r "$java/usr"
fi
