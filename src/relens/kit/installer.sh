#!/bin/sh
# relens for $title, in one file. On the device, as root:
#     sh THIS_FILE [--check] [--prefix DIR] [--no-service [--state DIR]]
# It needs no network. It writes to DIR (/opt/relens), /etc/relens, /var/lib/relens, one unit of systemd's, and the
# command /usr/local/bin/relens; with --no-service to DIR and the state's only. `--check` only looks whether it would run.
set -eu
umask 022 # the service has no rights of its own
prefix=/opt/relens
state=
service=yes
check=no
usage() { sed -n '2,5s/^# \{0,1\}//p' "$$0"; exit 2; }
while [ $$# -gt 0 ]; do
    case $$1 in
    --prefix) [ $$# -gt 1 ] || usage; prefix=$$2; shift ;;
    --state) [ $$# -gt 1 ] || usage; state=$$2; shift ;;
    --no-service) service=no ;;
    --check) check=yes ;;
    *) usage ;;
    esac
    shift
done
fail() { echo "relens kit: $$1" >&2; echo "nothing was installed" >&2; exit 1; }

[ -z "$$state" ] || [ $$service = no ] || fail "a service keeps its state in /var/lib/relens: --state needs --no-service"
state=$${state:-/var/lib/relens}
[ "$$(uname -m)" = $architecture ] || fail "this kit is for $architecture, and this machine is $$(uname -m)"
[ "$$(getconf LONG_BIT)" = 64 ] || fail "this kit is for a 64-bit system, and this one is of $$(getconf LONG_BIT)"
libc=$$(getconf GNU_LIBC_VERSION 2>/dev/null | sed 's/glibc //')
[ -n "$$libc" ] || fail "this system has no glibc"
newer=$$(printf '%s\n%s\n' $glibc "$$libc" | sort -t. -k1,1n -k2,2n | tail -n 1)
[ "$$newer" = "$$libc" ] || fail "this kit needs glibc $glibc, and this system has $$libc"
for flag in $flags; do
    grep -q -w "$$flag" /proc/cpuinfo || fail "this processor has no $$flag, which this kit needs"
done
if [ $system_python ]; then
    python=$$(command -v python$python) || fail "there is no python$python: apt-get install python$python"
    "$$python" -c 'import venv' || fail "python$python has no module venv: apt-get install python$python-venv"
fi
echo "checking this file"
[ "$$(tail -n +$skip "$$0" | sha256sum | cut -d' ' -f1)" = $sha256 ] || fail "$$0 is damaged: copy it again"

case $$prefix in /*) ;; *) prefix=$$(pwd)/$$prefix ;; esac
place=$$prefix/$id
if [ ! -e "$$place/complete" ]; then
    there=$$prefix
    while [ ! -e "$$there" ]; do there=$$(dirname "$$there"); done
    [ -w "$$there" ] || fail "$$there cannot be written: run as root, or name another --prefix"
    free=$$(df -Pk "$$there" | awk 'NR == 2 { print int($$4 / 1000) }')
    [ "$$free" -ge $disk_mb ] || fail "$$there has $$free MB free, and $disk_mb are needed: name a --prefix on a larger disk"
    trial=$$there/.relens-kit.$$$$
    rm -f "$$trial" "$$trial.link"
    echo '#!/bin/sh' >"$$trial"
    if ! { chmod 755 "$$trial" && ln -s "$$trial" "$$trial.link" && "$$trial.link"; } 2>/dev/null; then
        rm -f "$$trial" "$$trial.link"
        fail "$$there takes no links or starts no programs, as FAT or noexec: name a --prefix on ext4"
    fi
    rm -f "$$trial" "$$trial.link"
fi
[ $$check = no ] || { echo "this kit would run here"; exit 0; }

if [ ! -e "$$place/complete" ]; then
    rm -rf "$$place"
    mkdir -p "$$place"
    echo "unpacking to $$place"
    tail -n +$skip "$$0" | tar xof - -C "$$place"
    if [ -e "$$place/python.tar.gz" ]; then
        tar xzof "$$place/python.tar.gz" -C "$$place"
        rm "$$place/python.tar.gz"
        python=$$place/python/bin/python$python
    fi
    echo "installing packages, a minute or two"
    "$$python" -m venv --without-pip "$$place/venv"
    PYTHONPATH=$$(echo "$$place"/wheels/pip-*.whl) "$$place/venv/bin/python" -m pip install --quiet --no-index --no-deps \
        --disable-pip-version-check "$$place"/wheels/*.whl
    rm -r "$$place/wheels"
    "$$place/venv/bin/relens" --version
    # Whole on the disk, and only then said to be: a power cut before means that it is done again.
    sync
    touch "$$place/complete"
    sync
fi
before=$$(readlink "$$prefix/current" || true)
for link in current:$id bin:current/venv/bin; do
    ln -sfn "$${link#*:}" "$$prefix/.link.$$$$"
    mv -T "$$prefix/.link.$$$$" "$$prefix/$${link%%:*}"
done
"$$prefix/current/venv/bin/python" "$$prefix/current/settle.py" "$$prefix/current" "$$state" $$service
# The one before stays, to go back to; older ones go.
for old in "$$prefix"/????????????; do
    name=$${old##*/}
    case $$name in *[!0-9a-f]*) continue ;; esac
    [ "$$name" = $id ] || [ "$$name" = "$$before" ] || rm -rf "$$old"
done
exit 0
