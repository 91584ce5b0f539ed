/* cli/cmd_doctor.c - is this machine fit to share and fetch, and what is to be done if not? */
#include <stdarg.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/doctor.h"
#include "cli/out.h"

static const struct doctor_check checks[] = {
    {"settings", doctor_settings}, {"home", doctor_home},	  {"key", doctor_key},
    {"space", doctor_space},	   {"disk", doctor_disk},	  {"files", doctor_files},
    {"watches", doctor_watches},   {"port", doctor_port},	  {"index", doctor_index},
    {"clock", doctor_clock},	   {"peers", doctor_peers},	  {"address", doctor_external},
    {"sandbox", doctor_sandbox},   {"versions", doctor_versions},
};

static const char *const words[] = {"ok", "warn", "fail"};

void doctor_say(struct doctor_finding *f, enum doctor_level level, const char *advice,
		const char *fmt, ...)
{
	va_list ap;

	f->level = level;
	va_start(ap, fmt);
	(void)vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
	snprintf(f->advice, sizeof(f->advice), "%s", advice == NULL ? "" : advice);
}

static void print(const char *name, const struct doctor_finding *f)
{
	printf("%-5s %-9s %s\n", words[f->level], name, f->text);
	if (f->advice[0] != '\0')
		printf("                %s\n", f->advice);
	/* Some take seconds: whoever waits sees what it is for. */
	(void)fflush(stdout);
}

int cmd_doctor(const struct opts *o)
{
	enum doctor_level worst = DOCTOR_FINE;
	json_t *list = json_array(), *j;

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		struct doctor_finding f = {.level = DOCTOR_FINE};

		checks[i].look(o, &f);
		if (f.level > worst)
			worst = f.level;
		if (!o->json && (!o->quiet || f.level != DOCTOR_FINE))
			print(checks[i].name, &f);
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "check",
						      checks[i].name, "result", words[f.level],
						      "text", f.text, "advice", f.advice));
	}
	if (o->json) {
		j = json_pack("{s:s, s:O}", "result", words[worst], "checks", list);
		out_json(j);
		json_decref(j);
	}
	json_decref(list);
	return worst == DOCTOR_FAIL ? EXIT_FAILED : EXIT_OK;
}
