/* cli/doctor.h - what could be wrong with this machine, looked at one by one. */
#ifndef SHOAL_CLI_DOCTOR_H
#define SHOAL_CLI_DOCTOR_H

#include "cli/opts.h"

enum doctor_level { DOCTOR_FINE, DOCTOR_WARN, DOCTOR_FAIL };

struct doctor_finding {
	enum doctor_level level;
	char text[400];	  /* how it is; escaped */
	char advice[200]; /* what to do; "" when nothing is to be done */
};

struct doctor_check {
	const char *name; /* one word, for programs, too */
	/* Changes nothing that stays. `f` comes zeroed: fine, without a word. */
	void (*look)(const struct opts *o, struct doctor_finding *f);
};

/* Of this machine: doctor_system.c. */
void doctor_settings(const struct opts *o, struct doctor_finding *f);
void doctor_home(const struct opts *o, struct doctor_finding *f);
void doctor_key(const struct opts *o, struct doctor_finding *f);
void doctor_space(const struct opts *o, struct doctor_finding *f);
void doctor_disk(const struct opts *o, struct doctor_finding *f);
void doctor_files(const struct opts *o, struct doctor_finding *f);
void doctor_watches(const struct opts *o, struct doctor_finding *f);
void doctor_sandbox(const struct opts *o, struct doctor_finding *f);
void doctor_versions(const struct opts *o, struct doctor_finding *f);

/* What goes over the network, doctor_network.c. */
void doctor_port(const struct opts *o, struct doctor_finding *f);
void doctor_index(const struct opts *o, struct doctor_finding *f);
void doctor_clock(const struct opts *o, struct doctor_finding *f);
void doctor_external(const struct opts *o, struct doctor_finding *f);
void doctor_peers(const struct opts *o, struct doctor_finding *f);

/* Set a finding. `advice` may be NULL. */
void doctor_say(struct doctor_finding *f, enum doctor_level level, const char *advice,
		const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
