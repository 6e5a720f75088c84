#!/bin/sh
# relens for $title, in one file. On the device, as root:
#     sh THIS_FILE [--prefix DIR] [--no-service] [--check]
# It needs no network. It writes to DIR (/opt/relens), /etc/relens, /var/lib/relens, one unit of systemd's, and the
# command /usr/local/bin/relens; nothing else. `--check` only looks whether it would run.
set -eu
prefix=/opt/relens
state=/var/lib/relens
service=yes
check=no
while [ $$# -gt 0 ]; do
    case $$1 in
    --prefix) prefix=$$2; shift ;;
    --state) state=$$2; shift ;;
    --no-service) service=no ;;
    --check) check=yes ;;
    *) sed -n '2,6s/^# \{0,1\}//p' "$$0"; exit 2 ;;
    esac
    shift
done
fail() { echo "relens kit: $$1" >&2; echo "nothing was installed" >&2; exit 1; }

[ "$$(uname -m)" = $architecture ] || fail "this kit is for $architecture, and this machine is $$(uname -m)"
libc=$$(getconf GNU_LIBC_VERSION 2>/dev/null | sed 's/glibc //')
[ -n "$$libc" ] || fail "this system has no glibc"
newer=$$(printf '%s\n%s\n' $glibc "$$libc" | sort -t. -k1,1n -k2,2n | tail -n 1)
[ "$$newer" = "$$libc" ] || fail "this kit needs glibc $glibc, and this system has $$libc"
for flag in $flags; do
    grep -q -w "$$flag" /proc/cpuinfo || fail "this processor has no $$flag, which this kit needs"
done
echo "checking this file"
[ "$$(tail -n +$skip "$$0" | sha256sum | cut -d' ' -f1)" = $sha256 ] || fail "$$0 is damaged: copy it again"

mkdir -p "$$prefix" 2>/dev/null && [ -w "$$prefix" ] || fail "$$prefix cannot be written: run as root, or name another --prefix"
free=$$(df -Pk "$$prefix" | awk 'NR == 2 { print int($$4 / 1000) }')
[ "$$free" -ge $disk_mb ] || fail "$$prefix has $$free MB free, and $disk_mb are needed: name a --prefix on a larger disk"
place=$$prefix/$id
if [ $check_python ]; then
    python=$$(command -v python$python) || fail "there is no python$python: apt-get install python$python"
    "$$python" -c 'import venv' || fail "python$python has no module venv: apt-get install python$python-venv"
fi
[ $$check = no ] || { echo "this kit would run here"; exit 0; }

if [ ! -e "$$place/complete" ]; then
    rm -rf "$$place"
    mkdir "$$place"
    echo "unpacking to $$place"
    tail -n +$skip "$$0" | tar xf - -C "$$place"
    if [ -e "$$place/python.tar.gz" ]; then
        tar xzf "$$place/python.tar.gz" -C "$$place" && rm "$$place/python.tar.gz"
        python=$$place/python/bin/python$python
    fi
    echo "installing packages, a minute or two"
    "$$python" -m venv --without-pip "$$place/venv"
    PYTHONPATH=$$(echo "$$place"/wheels/pip-*.whl) "$$place/venv/bin/python" -m pip install --quiet --no-index --no-deps \
        --disable-pip-version-check "$$place"/wheels/*.whl
    rm -r "$$place/wheels"
    "$$place/venv/bin/relens" --version
    touch "$$place/complete"
    sync
fi
ln -s "$id" "$$prefix/.current.$$$$" && mv -T "$$prefix/.current.$$$$" "$$prefix/current"
exec "$$prefix/current/venv/bin/python" "$$prefix/current/settle.py" "$$prefix/current" "$$state" $$service
