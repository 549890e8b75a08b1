#!/usr/bin/env bash
# Gets MariaDB and PostgreSQL into $MIZUUMI_CACHE/databases, once, and prints that folder: Debian's packages, unpacked there. Nothing is
# installed or started, so it takes no privileges, and nothing of the machine changes.
set -euo pipefail
home=${MIZUUMI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mizuumi}/databases
here=$(cd "$(dirname "$0")" && pwd)
stamp=$(sha256sum "$here/databases.sh" | cut -c1-16)
mkdir -p "$home"
exec 9> "$home/lock"
flock 9
if [ "$(cat "$home/stamp" 2> /dev/null)" != "$stamp" ]; then
  command -v apt-get > /dev/null && command -v dpkg-deb > /dev/null || {
    echo "databases.sh needs Debian or Ubuntu: MariaDB and PostgreSQL for the tests of images/ come as their packages" >&2
    exit 1
  }
  echo "getting MariaDB and PostgreSQL, 60 MB" >&2
  rm -rf "$home/root" "$home/apt"
  mkdir -p "$home/apt/lists/partial" "$home/apt/archives/partial" "$home/root"
  # Lists and archives of our own. What is installed already counts as installed, except for what is asked for.
  apt=(-q -o Dir::State::Lists="$home/apt/lists" -o Dir::Cache="$home/apt" -o Dir::Cache::Archives="$home/apt/archives" -o Debug::NoLocking=1
    -o APT::Sandbox::User=root)
  apt-get "${apt[@]}" update > "$home/log" 2>&1 || { tail -5 "$home/log" >&2; exit 1; }
  server=$(apt-cache "${apt[@]}" depends postgresql | sed -n 's/.*Depends: \(postgresql-[0-9]*\)$/\1/p' | head -1)
  apt-get "${apt[@]}" install -y --download-only --reinstall --no-install-recommends mariadb-server-core "$server" \
    >> "$home/log" 2>&1 || { tail -5 "$home/log" >&2; exit 1; }
  for package in "$home"/apt/archives/*.deb; do
    dpkg-deb -x "$package" "$home/root"
  done
  rm -rf "$home/apt"
  echo "$stamp" > "$home/stamp"
fi
echo "$home/root"
