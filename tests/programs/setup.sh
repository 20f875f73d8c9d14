#!/usr/bin/env bash
# Installs the programs whose own test suites run in a draft, below target/. Runs again without harm.
set -euo pipefail
cd "$(dirname "$0")/../.."
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
