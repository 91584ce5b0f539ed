/* net/notify.h - telling systemd how we are, without its library. */
#ifndef SHOAL_NET_NOTIFY_H
#define SHOAL_NET_NOTIFY_H

/* Source: sd_notify(3): lines of NAME=VALUE, as one datagram to the socket that NOTIFY_SOCKET
 * names. Does nothing when it names none. */
void notify_service(const char *lines);

#endif
