#include "base/text.h"
#include "cli/commands.h"
#include "cli/home.h"
#include "cli/out.h"
#include "node/torrent_file.h"

int cmd_whoami(const struct opts *o)
{
	struct err_info info = {.code = OK};
	struct home h = {.dir = NULL};
	char key[2 * SIGN_KEY_LEN + 1];
	int rc = home_open(&h, &info);
	json_t *j;

	if (rc == 0 && o->as != NULL)
		rc = home_use_owner(&h, o->as, &info);
	if (rc == 0 && o->as != NULL)
		rc = home_keep_owner(&h, &info);
	if (rc == 0) {
		text_hex(key, bytes_of(h.key, SIGN_KEY_LEN));
		if (o->json) {
			j = json_pack("{s:s, s:s, s:o}", "owner", h.owner, "key", key, "home",
				      torrent_text(h.dir));
			out_json(j);
			json_decref(j);
		} else {
			out_field("owner", h.owner);
			out_field("key", key);
			out_field("home", h.dir);
		}
	}
	home_fini(&h);
	return rc == 0 ? EXIT_OK : opts_fail(o, "whoami", &info);
}
