#!/usr/bin/env bash
# Installs the programs whose own test suites run in a draft, below target/. Runs again without harm.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/programs"
target=$(cd "$target" && pwd)
django=5.2.1
cd "$target/programs"
if [ "$(cat django/version 2>/dev/null)" != "$django" ]; then
  echo "installing Django $django and its test suite"
  rm -rf venv django
  python3 -m venv venv
  pip=(venv/bin/pip --quiet --disable-pip-version-check)
  "${pip[@]}" install wheel setuptools "Django==$django" "psycopg[binary]==3.3.9"
  # The suite is in the source package only.
  "${pip[@]}" download --no-deps --no-binary :all: --no-build-isolation "Django==$django"
  mkdir django
  tar xzf "django-$django.tar.gz" --strip-components 1 -C django
  rm "django-$django.tar.gz"
  echo "$django" >django/version
fi
# Suites that pytest runs; their tests are in the source packages only.
sqlalchemy=2.1.9 asyncpg=0.32.0
if [ "$(cat pytest/version 2>/dev/null)" != "$sqlalchemy $asyncpg" ]; then
  echo "installing SQLAlchemy $sqlalchemy and asyncpg $asyncpg with their test suites"
  rm -rf pytest sqlalchemy asyncpg
  python3 -m venv pytest
  pip=(pytest/bin/pip --quiet --disable-pip-version-check)
  "${pip[@]}" install --upgrade pip
  "${pip[@]}" install "SQLAlchemy==$sqlalchemy" "asyncpg==$asyncpg" "psycopg[binary]==3.3.9" greenlet pytest pytest-timeout
  # what they are built with comes built
  "${pip[@]}" download --no-deps --no-binary "SQLAlchemy,asyncpg" "SQLAlchemy==$sqlalchemy" "asyncpg==$asyncpg"
  for suite in sqlalchemy asyncpg; do
    mkdir "$suite"
    tar xzf "$suite-${!suite}.tar.gz" --strip-components 1 -C "$suite"
    rm "$suite-${!suite}.tar.gz"
  done
  # The installed package is tested, which is built.
  rm -rf asyncpg/asyncpg
  echo "$sqlalchemy $asyncpg" >pytest/version
fi
# Interpreters, their ORMs, and Go's drivers with their test suites, as Debian packs them.
packages=(golang-go golang-github-jackc-pgmock-dev golang-github-jackc-pgx-v4-dev golang-github-lib-pq-dev golang-github-stretchr-testify-dev libdbd-pg-perl php-cli php-doctrine-orm php-pgsql php-symfony-cache ruby ruby-activerecord ruby-pg ruby-sequel)
missing=()
for package in "${packages[@]}"; do
  dpkg-query --show --showformat '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
  as_root apt-get -qq update >/dev/null
  as_root apt-get -qq install -y --no-install-recommends "${missing[@]}" >"$target/apt.log" 2>&1 ||
    { cat "$target/apt.log"; exit 1; }
fi
# ORMs and query builders: what `orms` runs is copied there, beside the modules.
steps=$root/tests/programs/orms
wanted=$(cat "$steps"/{package.json,requirements.txt,Cargo.toml} "$steps"/prisma/{package.json,schema.prisma} | sha256sum)
if [ "$(cat orms/version 2>/dev/null)" != "$wanted" ]; then
  echo "installing ORMs of npm, PyPI and crates.io"
  rm -rf orms
  mkdir -p orms/prisma
  cp "$steps"/{package.json,Cargo.toml,sqlx.rs} orms/
  (cd orms && npm install --silent --no-audit --no-fund)
  cp "$steps"/prisma/{package.json,schema.prisma} orms/prisma/
  # The client is made without Prisma's engine for migrations, which it would download.
  (cd orms/prisma && npm install --silent --no-audit --no-fund &&
    PRISMA_SCHEMA_ENGINE_BINARY=/bin/true DATABASE_URL=postgres://x/x node_modules/.bin/prisma generate >prisma.log 2>&1) ||
    { cat orms/prisma/prisma.log; exit 1; }
  CARGO_TARGET_DIR=orms/cargo cargo build --quiet --manifest-path orms/Cargo.toml
  python3 -m venv orms/venv
  orms/venv/bin/pip --quiet --disable-pip-version-check install -r "$steps/requirements.txt"
  echo "$wanted" >orms/version
fi
