if [ ! -d /etc/wharf ]; then
    install -d -o root -g wharf -m 0750 /etc/wharf || :
fi
if [ "$1" -eq 1 ] && [ -x /usr/bin/systemctl ]; then
    systemctl --no-reload preset wharf.service || :
fi
exit 0
