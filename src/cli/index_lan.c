#include "cli/index_lan.h"

#include <limits.h>
#include <unistd.h>

#include "base/text.h"
#include "net/entropy.h"
#include "store/durable.h"

static int make_id(const struct root *r, char id[LAN_ID_LEN + 1], struct err_info *info)
{
	uint8_t raw[LAN_ID_LEN / 2];

	entropy_fill(raw, sizeof(raw));
	text_hex(id, bytes_of(raw, sizeof(raw)));
	return durable_write(r, INDEX_ID_FILE, bytes_str(id), 0644, info);
}

static int read_id(const struct root *r, char id[LAN_ID_LEN + 1], struct err_info *info)
{
	uint8_t raw[LAN_ID_LEN / 2];
	struct stat st;
	struct buf b;
	int rc;

	if (root_stat(r, INDEX_ID_FILE, &st) == ERR_NOENT)
		return make_id(r, id, info);
	buf_init(&b, LAN_ID_LEN);
	rc = durable_read(r, INDEX_ID_FILE, &b, info);
	if (rc == 0 && text_unhex(buf_bytes(&b), raw, sizeof(raw)) != 0)
		rc = err_set(info, ERR_PROTO, "%s/" INDEX_ID_FILE ": not %u hex digits", r->path,
			     LAN_ID_LEN);
	if (rc == 0)
		text_hex(id, bytes_of(raw, sizeof(raw)));
	buf_fini(&b);
	return rc;
}

static int load_id(const char *data_dir, char id[LAN_ID_LEN + 1], struct err_info *info)
{
	struct root r;
	int rc = root_open(&r, data_dir, info);

	if (rc != 0)
		return rc;
	rc = read_id(&r, id, info);
	root_close(&r);
	return rc;
}

int index_lan_start(struct loop *l, const struct index_server *s, const char *host,
		    const char *data_dir, struct lan_teller **out, struct err_info *info)
{
	char id[LAN_ID_LEN + 1], machine[HOST_NAME_MAX + 1] = "";
	struct lan_offer o = {
	    .host = machine, .id = id, .pin = index_server_pin(s), .port = index_server_port(s)};
	struct addr only;
	int rc;

	*out = NULL;
	if (host[0] != '\0') {
		rc = addr_parse(bytes_str(host), o.port, &only);
		if (rc != 0)
			return err_set(info, ERR_INVALID, "%s: no address", host);
		if (addr_is_loopback(&only))
			return 0;
		o.only = &only;
	}
	rc = load_id(data_dir, id, info);
	if (rc != 0)
		return rc;
	(void)gethostname(machine, sizeof(machine) - 1);
	return lan_teller_new(l, &o, out, info);
}
