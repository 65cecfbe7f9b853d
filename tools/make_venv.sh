#!/bin/sh
# Make the environment DIR with the pinned packages of REQUIREMENTS and this project, editable.
#
#   sh tools/make_venv.sh DIR REQUIREMENTS [PYTHON]
#
# Needs only a Python >= 3.11 with venv and ensurepip. Says which interpreter it took, or why it took none.
# Plain sh: it runs before anything is installed.
set -eu

dir=$1
requirements=$2
wanted=${3:-}

# No f-strings and no imports that are new: this must also run, and complain, on the oldest python.
probe='
import sys
if sys.version_info < (3, 11):
    print("is Python %d.%d.%d; 3.11 or newer is needed" % sys.version_info[:3])
    sys.exit(1)
try:
    import ensurepip, venv
except ImportError:
    print("is Python %d.%d without the modules venv and ensurepip; on Debian and Ubuntu: "
          "apt install python%d.%d-venv" % (sys.version_info[:2] * 2))
    sys.exit(1)
print(sys.executable)
'

find_python() {
    # `python3` first: what the user calls Python. Each is run, not only looked up: a pyenv shim exists for
    # versions that cannot be started.
    rejected=
    for candidate in ${wanted:+"$wanted"} $([ -n "$wanted" ] || echo python3 python3.14 python3.13 python3.12 python3.11 python); do
        command -v "$candidate" >/dev/null 2>&1 || continue
        if answer=$("$candidate" -c "$probe" 2>/dev/null); then
            python=$answer
            return
        fi
        rejected="$rejected
  $candidate ${answer:-does not start}"
    done
    {
        echo "make: no usable Python found${wanted:+ as $wanted}."
        echo "  Python >= 3.11 with the modules venv and ensurepip is needed.${rejected:-
  ${wanted:-python3} is not there.}"
        echo "  Install one, or name it: make test PYTHON=/path/to/python3.13"
    } >&2
    exit 1
}

works() {
    # An environment whose base Python was removed or upgraded, or that was made half.
    "$dir/bin/python" -c 'import sys; import pip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

pip_install() {
    # PIP_USER would send the packages out of the environment; the rest of pip's settings (an index, a proxy) is the user's.
    # Its talk goes to a file: some indexes make it warn hundreds of times. When it fails, the end of it is what counts.
    PIP_USER=0 "$dir/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off "$@" \
        >"$dir/pip.log" 2>&1 || {
        tail -n 20 "$dir/pip.log" >&2
        echo "make: pip could not install $what; the end of $dir/pip.log is above." >&2
        exit 1
    }
}

if ! works; then
    find_python
    echo "Making $dir with $("$python" --version) ($python)"
    "$python" -m venv --clear "$dir"
fi

what="the pinned packages of $requirements"
echo "Installing $(grep -c '^[a-z]' "$requirements") pinned packages from $requirements into $dir (up to a minute or two the first time)"
# The file names everything that is needed: nothing is left for pip to resolve, and old ones stumble over extras.
pip_install --require-hashes --no-deps -r "$requirements"

what="this project"
# hatchling is among the pinned packages, so nothing is fetched for the build.
pip_install --no-deps --no-build-isolation --editable .
