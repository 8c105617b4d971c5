# Releases: a folder each under /opt/goblinmini-docqa/releases, whole or not there, and the links that name two of them.
# Sourced by deploy_units.sh.
# shellcheck shell=bash
# shellcheck disable=SC2034  # names are used across these files

SWITCHED=false

# The folder of the release that is wanted: named by what it is made of, so that the same one is made once.
wanted_release() {
  if [[ $ENSURE_PIP_INSTALL == true ]]; then
    [[ -z $PACKAGE || -f $PACKAGE ]] || fail "PACKAGE: there is no file $PACKAGE"
    [[ -z $WHEELS || -d $WHEELS ]] || fail "WHEELS: there is no folder $WHEELS"
    [[ -z $UV ]] || command -v "$UV" >/dev/null || fail "UV: there is no program $UV"
    say "$PREFIX/releases/$(version)-$(fingerprint)"
  else
    readlink "$PREFIX/current" || fail "nothing is installed yet: set ENSURE_PIP_INSTALL=true"
  fi
}

version() { sed -n 's/^version = "\(.*\)"$/\1/p' "$SOURCE/pyproject.toml"; }

fingerprint() {
  if [[ -n $PACKAGE ]]; then
    cat "$PACKAGE"
  else
    # The names too: a file that moved is another release.
    (cd "$SOURCE" && find contract ingress inference_worker library ops bench pyproject.toml -type f -not -name '*.pyc' -print0 |
      sort -z | xargs -0 sha256sum)
  fi | cat - "$SOURCE/requirements/runtime.txt" | sha256sum | cut -c1-12
}

make_release() {
  local release=$1
  [[ ! -e $release/.whole ]] || return 0
  if $DRY_RUN; then
    say "would make the release $(basename "$release")"
    return
  fi
  say "making the release $(basename "$release")"
  rm -rf "$release"
  install -d "$release"
  python3 -m venv "$release/venv" || fail "Python can't make an environment: apt-get install python3-venv"
  install_packages "$release/venv/bin/python" || why_not_installed
  cp -R "$HERE" "$release/systemd"
  touch "$release/.whole"
}

install_packages() {
  local python=$1 uv
  uv=$(find_uv "$python") || return
  local install=("$uv" pip install --quiet --python "$python" --link-mode copy --no-deps --compile-bytecode)
  if [[ -n $WHEELS ]]; then
    # Built elsewhere, so that their hashes are not the lock's; the versions are.
    sed '/^ *--hash=/d; s/ *\\$//' "$SOURCE/requirements/runtime.txt" |
      "${install[@]}" --offline --no-index --find-links "$WHEELS" --requirement - || return
  else
    # shellcheck source=requirements/llama.cpp/settings.sh
    source "$SOURCE/requirements/llama.cpp/settings.sh"
    "${install[@]}" --require-hashes "${BUILD[@]}" --requirement "$SOURCE/requirements/runtime.txt" || return
  fi
  "${install[@]}" "${PACKAGE:-$SOURCE}"
}

# Nothing was switched yet: the running release goes on, and the next try starts from the beginning.
why_not_installed() {
  [[ -n $WHEELS ]] || command -v c++ g++ clang++ >/dev/null ||
    fail "there is no C++ compiler: apt-get install g++, or name wheels that were built elsewhere with WHEELS=FOLDER"
  fail "the packages could not be installed, for the reason above; what ran before still runs"
}

find_uv() {
  local python=$1
  if [[ -n $UV ]] || UV=$(command -v uv); then
    say "$UV"
    return
  fi
  "$python" -m pip install --quiet --disable-pip-version-check --require-hashes \
    --requirement "$SOURCE/requirements/uv.txt" >&2 || return
  say "$(dirname "$python")/uv"
}

# switch_to RELEASE: what ran until now becomes the previous one.
switch_to() {
  local release=$1 now
  now=$(readlink "$PREFIX/current" || true)
  [[ $now != "$release" ]] || return 0
  CHANGED=true
  SWITCHED=true
  [[ -z $now ]] || point "$PREFIX/previous" "$now"
  point "$PREFIX/current" "$release"
  # Where operators look for it.
  [[ -L $PREFIX/venv ]] || point "$PREFIX/venv" current/venv
}

# point LINK TARGET: in one step, so that there is never no link.
point() {
  if $DRY_RUN; then
    say "would point $1 to $2"
    return
  fi
  ln -sfn "$2" "$1.new"
  mv -T "$1.new" "$1"
}

# Two are kept: the one that runs and the one to return to.
prune_releases() {
  local release current previous
  current=$(readlink "$PREFIX/current" || true)
  previous=$(readlink "$PREFIX/previous" || true)
  for release in "$PREFIX"/releases/*; do
    [[ $release == "$current" || $release == "$previous" ]] || remove "$release"
  done
}
