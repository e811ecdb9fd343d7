#!/bin/sh
# Makes a host ready for agentless, on any Linux; run as root, as often as wanted:
#
#     sh provision.sh USER 'ssh-ed25519 AAAA... comment'
#
# What agentless needs of a host is little: an account that a key opens, sshd, and Python 3.6 or newer. For --become it
# needs sudo or doas, too. Here the account may become root without a password: these are hosts to play with.
set -eu

user=${1:?usage: provision.sh USER PUBLIC_KEY}
public_key=${2:?usage: provision.sh USER PUBLIC_KEY}

case $user in
'' | -* | *[!a-z0-9_-]*)
    echo "provision: $user is no name for an account" >&2
    exit 2
    ;;
esac
case $public_key in
ssh-* | ecdsa-* | sk-*) ;;
*)
    echo "provision: that is no public key: $public_key" >&2
    exit 2
    ;;
esac

has() {
    command -v "$1" >/dev/null 2>&1
}

say() {
    echo "provision: $*"
}

install_package() {
    if has apt-get; then
        DEBIAN_FRONTEND=noninteractive apt-get -qq update && apt-get -qq install -y "$1"
    elif has dnf; then
        dnf -q -y install "$1"
    elif has apk; then
        apk -q add "$1"
    elif has zypper; then
        zypper -q -n install "$1"
    else
        return 1
    fi
}

# --- the account ---
if grep -q "^$user:" /etc/passwd; then
    say "account $user is there"
else
    if has useradd; then
        useradd --create-home --shell /bin/sh "$user"
    else
        adduser -D -s /bin/sh "$user"
    fi
    say "account $user made"
fi
# A new account is locked (`!`), and an sshd without PAM then refuses its keys, too; `*` is no password and no lock.
case $(grep "^$user:" /etc/shadow | cut -d: -f2) in
'!'*) printf '%s:*\n' "$user" | chpasswd -e ;;
esac

# --- its key ---
home=$(grep "^$user:" /etc/passwd | cut -d: -f6)
keys=$home/.ssh/authorized_keys
mkdir -p "$home/.ssh"
touch "$keys"
if ! grep -qxF "$public_key" "$keys"; then
    printf '%s\n' "$public_key" >>"$keys"
    say "key added to $keys"
fi
chmod 700 "$home/.ssh"
chmod 600 "$keys"
chown -R "$user:$(id -g "$user")" "$home/.ssh"
if has restorecon; then
    restorecon -R "$home/.ssh" || say "SELinux labels of $home/.ssh could not be set"
fi

# --- becoming root ---
if has sudo; then
    mkdir -p /etc/sudoers.d
    printf '%s ALL=(ALL) NOPASSWD: ALL\n' "$user" >"/etc/sudoers.d/$user.new"
    chmod 440 "/etc/sudoers.d/$user.new"
    visudo -cqf "/etc/sudoers.d/$user.new"
    mv "/etc/sudoers.d/$user.new" "/etc/sudoers.d/$user"
    say "$user may use sudo"
fi
if has apk && ! has doas; then
    install_package doas
fi
if has doas; then
    touch /etc/doas.conf
    if ! grep -qxF "permit nopass $user" /etc/doas.conf; then
        printf 'permit nopass %s\n' "$user" >>/etc/doas.conf
    fi
    chmod 600 /etc/doas.conf
    say "$user may use doas"
fi

# --- Python: where agentless itself looks for it ---
find_python() {
    for python in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python3.9 python3.8 python3.7 python3.6 \
        /usr/libexec/platform-python /usr/bin/python3 /usr/local/bin/python3; do
        if has "$python" && "$python" -I -S -c 'import sys; sys.exit(sys.version_info < (3, 6))' 2>/dev/null; then
            return 0
        fi
    done
    return 1
}
if ! find_python; then
    install_package python3 || say "python3 could not be installed"
    if ! find_python; then
        echo "provision: no Python 3.6 or newer here: looked for python3, python3.14 ... python3.6 and platform-python" >&2
        exit 1
    fi
fi
say "Python is $("$python" -c 'import sys; print("%d.%d.%d at %s" % (sys.version_info[:3] + (sys.executable,)))')"

# --- sshd ---
# Its own defaults throw away connections when ten are logging in at once; a fleet tool and its tests come in crowds.
settings='PubkeyAuthentication yes
MaxStartups 100:30:200'
begin='# agentless: begin'
end='# agentless: end'
config=/etc/ssh/sshd_config
if [ ! -e "$config" ]; then
    echo "provision: there is no $config: is OpenSSH's server installed?" >&2
    exit 1
fi
# Of most settings sshd takes the first value that it meets, so ours go to the top; of MaxStartups the last.
{
    printf '%s\n%s\n%s\n' "$begin" "$settings" "$end"
    sed -e "/^$begin\$/,/^$end\$/d" -e 's/^[[:space:]]*MaxStartups/#&/' "$config"
} >"$config.new"
sshd=$(command -v sshd || echo /usr/sbin/sshd)
"$sshd" -t -f "$config.new"
if cmp -s "$config" "$config.new"; then
    rm "$config.new"
    say "sshd is set up"
else
    cat "$config.new" >"$config"
    rm "$config.new"
    if [ -d /run/systemd/system ]; then
        systemctl reload-or-restart sshd 2>/dev/null || systemctl reload-or-restart ssh
    elif has rc-service; then
        rc-service sshd reload
    elif [ -s /run/sshd.pid ]; then
        kill -HUP "$(cat /run/sshd.pid)"
    fi
    say "sshd set up"
fi
