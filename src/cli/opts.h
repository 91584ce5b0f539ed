/* cli/opts.h - options common to every command, and the error line they share. */
#ifndef SHOAL_CLI_OPTS_H
#define SHOAL_CLI_OPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/seed_limit.h"
#include "cli/exit.h"
#include "cli/out.h"

struct opts {
	const char
	    *index; /* --index, SHOAL_INDEX; NULL: see cli/index_choice.h, which knows best */
	struct index_choice *choice; /* what was chosen then; ours */
	const char *token;	     /* --token, SHOAL_TOKEN; NULL: none */
	const char *pin; /* --pin, SHOAL_PIN; NULL: the index needs a certificate of good repute */
	int port;	 /* --port, SHOAL_PORT; -1: 6881 or else any; 0 any */
	bool json, quiet, latest, seed;
	struct seed_limit seed_limit; /* --seed-ratio --seed-time */
	int verbose;
	const char *progress;			     /* --progress auto, json, none; NULL: auto */
	const char *name, *as, *out, *listen, *data; /* --name --as -o --listen --data */
	const char *input;			     /* -i: a file of references, one a line */
	const char *const *trackers;		     /* --tracker, repeated; NULL-terminated */
	const char *const *webseeds;		     /* --webseed, repeated */
	bool v1_only, v2_only, private, preallocate, all;
	uint64_t piece_length;	    /* --piece-length in bytes (16K, 1M), 0: chosen */
	uint32_t wait_s;	    /* --wait: how long get waits for a holder; 0: for ever */
	uint32_t limit;		    /* --limit rows */
	const char *encryption;	    /* --encryption, SHOAL_ENCRYPTION; NULL: accept */
	const char *transport;	    /* --transport, SHOAL_TRANSPORT; NULL: both */
	const char *const *beneath; /* --beneath, repeated; NULL: everywhere */
	bool no_udp, no_lsd, no_lan, no_map, no_sandbox, accept_key, admin;
	bool pieces;			/* --pieces: who holds which */
	uint32_t udp_threads;		/* --udp-threads; 0: chosen */
	const char *tls_cert, *tls_key; /* --tls-cert --tls-key; files */
	bool tls_self_signed;
	const char *const *hosts;     /* --host, repeated */
	const char *const *proxies;   /* --trust-proxy ADDR[/BITS], repeated */
	const char *const *sites;     /* --site PREFIX=LABEL, repeated */
	const char *sites_file;	      /* --sites */
	const char *log, *log_format; /* --log FILE, --log-format text or json */
	bool replace;
	bool follow;
	bool watch, rehash;	    /* --watch --rehash */
	uint32_t settle_s;	    /* --settle; 0: SHARE_SETTLE_S */
	bool drain;		    /* --drain */
	uint32_t drain_timeout_s;   /* --drain-timeout; 0: chosen */
	uint32_t reply_delay_ms;    /* --reply-delay */
	uint32_t every_s;	    /* --every: how often --follow asks; 0: INDEX_WATCH_EVERY_S */
	const char *const *only;    /* --only GLOB, repeated: of a folder fetch these */
	const char *const *exclude; /* --exclude GLOB, repeated: of a share not these */
	const char *const *files; /* --file GLOB, repeated: the same, of a transfer of the daemon */
	bool sequential, ends_first;
	uint64_t limit_down, limit_up; /* bytes a second; 0: none */
	const char *const *limit_at;   /* --limit-at FROM-TO=RATE, repeated */
	bool limit_lan, no_upload;
	const char *spool; /* --spool DIR: where `share -` keeps what it read */
	int http_port;	   /* --http-port; -1: DAEMON_HTTP_PORT, else any */
	bool detach, no_daemon, no_seed, with_data, queue_seeds;
	uint64_t down, up; /* --down, --up; UINT64_MAX: not given */
	uint32_t max_peers, max_peers_per_transfer, max_open_files; /* 0: see node/quota.h */
	uint64_t max_memory;					    /* bytes; 0: the same */
	uint32_t max_active; /* --max-active; 0: JOBS_ACTIVE_DEFAULT */
	const char *reuse;   /* --reuse: an older copy to take bytes from */
	const char *comment;
	const char *right;	     /* --right read, publish, admin */
	const char *sort;	     /* --sort: name, size, date, holders */
	const char *description;     /* --description */
	const char *const *tags;     /* --tag, repeated */
	const char *const *notes;    /* --meta KEY=VALUE, repeated */
	bool no_dht, sign;	     /* --sign: a value put is replaced by newer ones of this key */
	const char *on_complete;     /* --on-complete: a command, see daemon/hooks.h */
	const char *const *webhooks; /* --webhook, repeated */
	const char *const *dht_nodes; /* --dht-node HOST:PORT, repeated */
	const char *salt;	      /* --salt */
	const char *const *peers;     /* --peer ADDR:PORT, repeated: dial these; NULL-terminated */
	const char *const *from;      /* --from ADDR:PORT, repeated: these alone; NULL-terminated */
	char **args;		      /* what is not an option */
	int n_args;
	char **argv; /* all that opts_parse() was given; borrowed */
	int argc;
	struct config *config;	     /* what the texts above may point into; owned */
	struct opts_origin *origins; /* as many as opts_table() has rows; owned */
};

/* Where a value is from; what stands later here beats what stands earlier. */
enum opts_from {
	FROM_NOWHERE, /* it is what holds when nobody says anything */
	FROM_FILE,
	FROM_FILE_SECTION, /* of the command */
	FROM_ENVIRONMENT,
	FROM_COMMAND_LINE,
};
struct opts_origin {
	enum opts_from from;
	const char *value; /* as it was written; of a repeated one the last; NULL: a bare flag */
	unsigned line;	   /* of the file */
};

/* A command: one row of the table in commands.c. */
struct command {
	const char *name, *summary;
	const char *usage;   /* "shoal get NAME [-o DEST]" */
	const char *help;    /* options and examples, shown by --help */
	const char *accepts; /* names of the options it takes, space-separated */
	/* What an argument may be, for completions, space-separated: @name of the index, @path,
	 * @torrent (a file), @command, @job of the daemon, or a word as it is. NULL: anything. */
	const char *completes;
	/* A word of these, and what stands behind it instead of them; NULL: nothing else does. */
	const char *completes_after;
	int min_args, max_args;		  /* -1: any number */
	int (*run)(const struct opts *o); /* returns an enum exit_code */
};

/* Parse argv[2..]; prints the error or help itself. Returns -1 to go on, else an exit code.
 * "--" ends the options; "-o -" is a value; a flag takes "=no", too. Flags beat the environment,
 * which beats the file of settings (cli/config.h). A repeated option of one of them replaces those
 * of the lesser ones. */
int opts_parse(struct opts *o, const struct command *c, int argc, char **argv);
/* "--json" is among them: an error before it was reached is JSON, too. */
bool opts_wants_json(int argc, char **argv);
/* As opts_parse() without any words: what holds for `c` when nothing more is said. `c` NULL: what
 * the file says to every command. Prints nothing. Owns: opts_fini(), also after an error. */
int opts_defaults(struct opts *o, const struct command *c, struct err_info *info);
/* The command line of `first` once more, with the file of settings and the environment as they are
 * now. Prints nothing. Owns: as above. */
int opts_again(struct opts *o, const struct command *c, const struct opts *first,
	       struct err_info *info);
void opts_fini(struct opts *o);

/* How much the user wants to see of what goes on. */
enum progress_how opts_progress(const struct opts *o);

/* "shoal get: NAME: reason" on stderr, or {"error": {"code", "message"}} on stdout with --json.
 * Returns the exit code for info->code. */
int opts_fail(const struct opts *o, const char *command, const struct err_info *info);

#endif
