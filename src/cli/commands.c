/* cli/commands.c - the table of commands and nothing else. */
#include "cli/commands.h"

#include <string.h>

#include "cli/config.h"

static const struct command commands[] = {
    {
	.name = "index",
	.summary = "run the index: tracker, catalogue and page",
	.usage = "shoal index [--listen ADDR:PORT] [--data DIR] [--no-udp]\n"
		 "       shoal index backup FILE [--data DIR]\n"
		 "       shoal index token add NAME [--right RIGHT] | list | revoke NAME",
	.help =
	    "  --listen ADDR:PORT  where to listen; port 6969 on every address when not given\n"
	    "  --data DIR          where the catalogue lives\n"
	    "  --no-udp            no UDP tracker; without it, it has the same port\n"
	    "  --udp-threads N     threads for it, 1 to 16; chosen by the cores when not given\n"
	    "  --no-lan            do not tell the local network that it is here\n"
	    "  --no-sandbox        keep all rights of who runs it (SHOAL_NO_SANDBOX=yes)\n"
	    "  --tls-cert FILE --tls-key FILE  speak HTTPS instead of HTTP, with these (PEM)\n"
	    "  --tls-self-signed   the same, with a certificate of its own; prints its pin\n"
	    "  --host NAME         answer under this name, and no other but addresses; may be "
	    "repeated\n"
	    "  --trust-proxy ADDR[/BITS]  believe it whom it asks for; may be repeated\n"
	    "  --site PREFIX/BITS=LABEL  addresses near to one another; may be repeated\n"
	    "  --sites FILE        the same, one a line\n"
	    "  --log FILE          log there instead of to standard error\n"
	    "  --log-format FORM   text (when not given) or json, one line an event\n"
	    "\n"
	    "  --right RIGHT       of a new token: read (when not given), publish or admin\n"
	    "\n"
	    "Names belong to the key that claimed them first. Without tokens everyone who can "
	    "reach\n"
	    "the index may list, publish and announce; with the first one that takes a token. The\n"
	    "name 'anonymous' stands for who shows none. They take effect within a second.\n"
	    "\n"
	    "'backup' copies the catalogue into a new file, also while the index runs. SIGHUP "
	    "makes it\n"
	    "read certificates and --sites again, and open its log anew.\n"
	    "\n"
	    "examples:\n"
	    "  shoal index\n"
	    "  shoal index --listen 127.0.0.1:7000 --data /srv/shoal\n"
	    "  shoal index --tls-self-signed\n"
	    "  shoal index --site 10.1.0.0/16=berlin --site 10.2.0.0/16=paris\n"
	    "  shoal index backup /backup/catalogue.db --data /srv/shoal\n"
	    "  shoal index token add ci --right publish\n"
	    "  shoal index token add anonymous --right read\n",
	.accepts =
	    "listen data no-udp no-lan no-sandbox udp-threads tls-cert tls-key tls-self-signed "
	    "host trust-proxy site sites log log-format right",
	.completes = "backup token",
	.completes_after = "token add list revoke",
	.max_args = 3,
	.run = cmd_index,
    },
    {
	.name = "share",
	.summary = "publish files and folders, in place, and serve them",
	.usage = "shoal share PATH... [--name NAME]",
	.help =
	    "PATH is a file or a folder; '-' is standard input, which is kept and needs a "
	    "name.\n"
	    "\n"
	    "  --name NAME        publish under this name (with one PATH)\n"
	    "  --as OWNER         own the names as OWNER, now and later\n"
	    "  --description TEXT one line about it\n"
	    "  --tag WORD         to be found by; may be repeated\n"
	    "  --meta KEY=VALUE   kept with it; may be repeated\n"
	    "  --comment TEXT     goes into the .torrent\n"
	    "  --piece-length N   16K to 128M, a power of two\n"
	    "  --tracker URL      announce there too; may be repeated\n"
	    "  --webseed URL      a web server has it too (BEP 19); may be repeated\n"
	    "  --private          BEP 27: peers come from the trackers alone\n"
	    "  --v1-only, --v2-only  instead of a hybrid torrent\n"
	    "  --spool DIR        keep standard input there\n"
	    "  --exclude GLOB     of a folder not these, at any depth ('*.o', '.git'); may be "
	    "repeated\n"
	    "  --watch            publish what changes as new versions\n"
	    "  --settle TIME      once nothing was written for so long (3s)\n"
	    "  --rehash           also read what nobody touched since it was hashed\n"
	    "  --listen ADDR      listen for peers on this address alone\n"
	    "  --limit-down RATE, --limit-up RATE  bytes a second of all together (500K, 2M)\n"
	    "  --limit-at FROM-TO=DOWN[/UP]  others at that time of day (08:00-18:00=1M/200K)\n"
	    "  --limit-lan        also for peers of the own network, which are spared without it\n"
	    "  --no-daemon        serve it here, also when a daemon runs\n"
	    "  -d, --detach       with a daemon: do not stay to show how it goes\n"
	    "  --no-map           do not ask the router for a port (SHOAL_NO_MAP=yes)\n"
	    "  --no-sandbox       keep all rights of who runs it (SHOAL_NO_SANDBOX=yes)\n"
	    "  --no-lsd           do not look for peers on the local network (SHOAL_NO_LSD=yes)\n"
	    "  --encryption HOW   of connections to peers: accept (default), prefer or require\n"
	    "  --transport WHAT   of connections to peers: both (default), tcp or utp\n"
	    "  --dht-node HOST:PORT  begin there in the distributed hash table; may be repeated\n"
	    "  --no-dht         take no part in it (SHOAL_NO_DHT=yes)\n"
	    "  --max-peers N      connections to peers at a time (4000, as far as the system "
	    "lets)\n"
	    "  --max-peers-per-transfer N  of one transfer (200)\n"
	    "  --max-open-files N files of transfers that are open at a time (128)\n"
	    "  --max-memory SIZE  of buffers for pieces and messages (128M)\n"
	    "  --reply-delay MS   answer requests for pieces so much later, to watch the choice\n"
	    "  --drain            before leaving, hand on what nobody else has\n"
	    "  --drain-timeout TIME  for so long at most (10m)\n"
	    "\n"
	    "It serves until Ctrl-C; the entry stays listed, 'shoal unshare' removes it. What is "
	    "not\n"
	    "private is found without an index, too, by the KEY/NAME that it says.\n"
	    "\n"
	    "examples:\n"
	    "  shoal share genome.tar\n"
	    "  shoal share ./photos --name holiday-2026\n"
	    "  tar c ./site | shoal share - --name site.tar\n",
	.accepts =
	    "name as description tag meta exclude comment piece-length tracker webseed private "
	    "v1-only "
	    "v2-only listen reply-delay drain drain-timeout no-map no-sandbox spool limit-down "
	    "limit-up "
	    "limit-at limit-lan watch settle rehash no-lsd encryption transport no-daemon detach "
	    "dht-node no-dht max-peers max-peers-per-transfer max-open-files max-memory",
	.completes = "@path",
	.min_args = 1,
	.max_args = -1,
	.run = cmd_share,
    },
    {
	.name = "get",
	.summary = "fetch a name from everyone who has it",
	.usage = "shoal get NAME... [-o DEST] [-i FILE]",
	.help =
	    "NAME is a name, OWNER/NAME, NAME@VERSION, a magnet link, an info-hash, or a .torrent "
	    "or\n"
	    "its address (http, https).\n"
	    "\n"
	    "  -o, --out DEST   file or folder to make, or the folder to make it in (with '/' at "
	    "its\n"
	    "                   end also a new one); '-': write it to standard output as it comes, "
	    "a\n"
	    "                   folder as a tar archive\n"
	    "  -i, --input-file FILE  get what its lines name, too ('-': standard input)\n"
	    "  --latest         of several contents take the newest\n"
	    "  --seed           go on serving when all is there\n"
	    "  --seed-ratio N   the same until N copies were sent (1.5), also by a daemon\n"
	    "  --seed-time TIME  the same for so long\n"
	    "  --follow         go on serving, and fetch each newer version over the old one\n"
	    "  --every TIME     how often --follow asks the index (10s)\n"
	    "  --wait TIME      give up when nobody has it for so long (30, 5m, 2h)\n"
	    "  --peer ADDR:PORT dial this peer too; may be repeated\n"
	    "  --from ADDR:PORT fetch from this peer alone; may be repeated\n"
	    "  --tracker URL    ask this tracker too; may be repeated\n"
	    "  --webseed URL    fetch from this web server too (BEP 19); may be repeated\n"
	    "  --only GLOB      of a folder only these files, '!GLOB': not these; may be repeated\n"
	    "  --sequential     from the beginning to the end\n"
	    "  --ends-first     the first and last piece of each file before others\n"
	    "  --preallocate    reserve the disk space first\n"
	    "  --reuse PATH     take what can be used from this older copy, which is only read\n"
	    "  --replace        replace the file or folder at DEST, whatever it is\n"
	    "  --listen ADDR    listen for peers on this address alone\n"
	    "  --limit-down RATE, --limit-up RATE  bytes a second of all together (500K, 2M)\n"
	    "  --limit-at FROM-TO=DOWN[/UP]  others at that time of day (08:00-18:00=1M/200K)\n"
	    "  --limit-lan      also for peers of the own network, which are spared without it\n"
	    "  --no-upload      serve nobody meanwhile\n"
	    "  --on-complete COMMAND  run it then, never by a shell; '{path}' in it is where it "
	    "is\n"
	    "  --webhook URL    tell it then, as JSON by POST; may be repeated\n"
	    "  --no-seed        with a daemon: it does not serve it when all is there\n"
	    "  --no-daemon      do it here, also when a daemon runs\n"
	    "  -d, --detach     with a daemon: do not wait until all is there\n"
	    "  --no-map         do not ask the router for a port (SHOAL_NO_MAP=yes)\n"
	    "  --no-sandbox     keep all rights of who runs it (SHOAL_NO_SANDBOX=yes)\n"
	    "  --no-lsd         do not look for peers on the local network (SHOAL_NO_LSD=yes)\n"
	    "  --encryption HOW of connections to peers: accept (default), prefer or require\n"
	    "  --transport WHAT of connections to peers: both (default), tcp or utp\n"
	    "  --dht-node HOST:PORT  begin there in the distributed hash table; may be repeated\n"
	    "  --no-dht         take no part in it (SHOAL_NO_DHT=yes)\n"
	    "  --max-peers N    connections to peers at a time (4000, as far as the system lets)\n"
	    "  --max-peers-per-transfer N  of one transfer (200)\n"
	    "  --max-open-files N  files of transfers that are open at a time (128)\n"
	    "  --max-memory SIZE of buffers for pieces and messages (128M)\n"
	    "  --reply-delay MS answer requests for pieces so much later, to watch the choice\n"
	    "  --drain          before leaving, hand on what nobody else has\n"
	    "  --drain-timeout TIME  for so long at most (10m)\n"
	    "\n"
	    "An interrupted get goes on where it was when the same command is given again. What "
	    "is\n"
	    "there already is checked, and with --seed served. An older version that shoal put "
	    "there\n"
	    "is replaced by the newer one, of which only what differs is fetched; anything else "
	    "stays.\n"
	    "Of many, 16 are fetched at a time. GLOBs are matched against paths within the folder; "
	    "'*'\n"
	    "matches '/', too, and the last GLOB that matches a file decides. More of a folder is "
	    "fetched\n"
	    "when get is run again with other GLOBs, or with none.\n"
	    "A daemon that runs does the work, and goes on after Ctrl-C.\n"
	    "\n"
	    "examples:\n"
	    "  shoal get genome.tar\n"
	    "  shoal get alice@lab/genome.tar@2 -o /data/genome.tar\n"
	    "  shoal get d8528fbe...29/genome.tar    # the owner's whole key: without an index\n"
	    "  shoal get alice@lab/genome.tar -o /data/ --follow\n"
	    "  shoal get alice@lab/site.tar -o - | tar x\n"
	    "  shoal get photos --only '2024/*' --only '!*.raw'\n"
	    "  shoal get *.torrent -o /data/ --seed\n"
	    "  find /srv/torrents -name '*.torrent' | shoal get -i - -o /data/ --seed\n",
	.accepts =
	    "out input-file latest seed seed-ratio seed-time wait peer from tracker webseed "
	    "preallocate listen "
	    "reuse replace follow every reply-delay drain drain-timeout no-map no-sandbox no-lsd "
	    "encryption transport only sequential ends-first limit-down limit-up limit-at "
	    "limit-lan "
	    "no-upload no-daemon no-seed detach dht-node no-dht on-complete webhook "
	    "max-peers max-peers-per-transfer max-open-files max-memory",
	.completes = "@name @torrent",
	.min_args = 0,
	.max_args = -1,
	.run = cmd_get,
    },
    {
	.name = "ls",
	.summary = "list what is on line, newest first",
	.usage = "shoal ls [GLOB...] [--sort ORDER] [--limit N] [--all]",
	.help = "With GLOBs only names that one of them fits; one with a '/' is for OWNER/NAME.\n"
		"\n"
		"  --sort ORDER  name, size, date or holders\n"
		"  --limit N     at most N rows (100)\n"
		"  --all         every row, and what nobody has on line\n"
		"\n"
		"examples:\n"
		"  shoal ls\n"
		"  shoal ls --all | cut -f1\n"
		"  shoal ls 'debian-*' 'alice@lab/*'\n"
		"  shoal ls --sort holders --limit 10\n"
		"  shoal ls --json\n",
	.accepts = "sort limit all",
	.completes = "@name",
	.max_args = -1,
	.run = cmd_ls,
    },
    {
	.name = "search",
	.summary = "find entries by the words of names, owners, tags and files",
	.usage = "shoal search WORD... [--sort ORDER] [--limit N] [--all]",
	.help = "Each word must be found somewhere in the entry; of a folder the names of the "
		"first 5000\n"
		"files are looked at.\n"
		"\n"
		"  --sort ORDER  name, size, date or holders\n"
		"  --limit N     at most N rows (100)\n"
		"  --all         every row, and what nobody has on line\n"
		"\n"
		"examples:\n"
		"  shoal search genome 2026\n"
		"  shoal search alice@lab --json\n",
	.accepts = "sort limit all",
	.min_args = 1,
	.max_args = -1,
	.run = cmd_search,
    },
    {
	.name = "info",
	.summary = "show an entry and its holders, or a .torrent file",
	.usage = "shoal info NAME|KEY/NAME|FILE.torrent",
	.help =
	    "  --latest   of several contents take the newest\n"
	    "  --all      every file (otherwise the first 100)\n"
	    "  --pieces   which pieces each holder has, as ranges\n"
	    "  --dht-node HOST:PORT  begin there in the distributed hash table\n"
	    "  --no-dht   do not ask it (SHOAL_NO_DHT=yes)\n"
	    "  --listen ADDR  use this address alone for that\n"
	    "\n"
	    "A .torrent file is shown without asking an index; KEY/NAME, a magnet link of a key "
	    "and,\n"
	    "when no index answers, the OWNER/NAME of an owner who is known, by asking the table.\n"
	    "\n"
	    "examples:\n"
	    "  shoal info genome.tar\n"
	    "  shoal info alice@lab/genome.tar@1 --json\n"
	    "  shoal info ./debian.torrent\n",
	.accepts = "latest all pieces listen dht-node no-dht",
	.completes = "@name @torrent",
	.min_args = 1,
	.max_args = 1,
	.run = cmd_info,
    },
    {
	.name = "versions",
	.summary = "list all versions of a name",
	.usage = "shoal versions [OWNER/]NAME",
	.help = "'shoal get NAME@2' fetches the second, NAME or NAME@latest the newest.\n"
		"\n"
		"  --latest   of several owners take the one who published last\n"
		"\n"
		"examples:\n"
		"  shoal versions genome.tar\n"
		"  shoal versions alice@lab/genome.tar --json\n",
	.accepts = "latest",
	.completes = "@name",
	.min_args = 1,
	.max_args = 1,
	.run = cmd_versions,
    },
    {
	.name = "peers",
	.summary = "show who is on line",
	.usage = "shoal peers [NAME]",
	.help = "With NAME: who has it, those with most of it first.\n"
		"\n"
		"  --latest   of several contents take the newest\n"
		"\n"
		"examples:\n"
		"  shoal peers\n"
		"  shoal peers genome.tar\n",
	.accepts = "latest",
	.completes = "@name",
	.max_args = 1,
	.run = cmd_peers,
    },
    {
	.name = "unshare",
	.summary = "remove an entry of yours from the index",
	.usage = "shoal unshare [OWNER/]NAME[@VERSION]",
	.help = "Without @VERSION all versions go. Copies that others hold stay with them.\n"
		"\n"
		"  --as OWNER   own the name as OWNER, now and later\n"
		"  --admin      remove anybody's, with a token of the index's admin\n"
		"\n"
		"examples:\n"
		"  shoal unshare genome.tar\n"
		"  shoal unshare genome.tar@1\n"
		"  shoal unshare mallory/spam --admin --token TOKEN\n",
	.accepts = "as admin",
	.completes = "@name",
	.min_args = 1,
	.max_args = 1,
	.run = cmd_unshare,
    },
    {
	.name = "explain",
	.summary = "say why a download that runs is as fast as it is",
	.usage = "shoal explain [NAME]",
	.help =
	    "Asks the peers that run from this home (share, get): all they have, or NAME: a name,\n"
	    "OWNER/NAME, an info-hash. Of what slows it most is said first, with numbers.\n"
	    "\n"
	    "examples:\n"
	    "  shoal explain genome.tar\n"
	    "  shoal explain --json\n",
	.accepts = "",
	.completes = "@name",
	.max_args = 1,
	.run = cmd_explain,
    },
    {
	.name = "dht",
	.summary = "the distributed hash table: how it stands, put, get, look up",
	.usage = "shoal dht [status]\n"
		 "       shoal dht lookup INFO-HASH | get TARGET-OR-KEY | put VALUE",
	.help =
	    "Peers take part in the table that all BitTorrent clients share, for torrents that "
	    "are\n"
	    "not private. 'status' asks the peers that run from this home; the others are done by "
	    "a\n"
	    "node that lives as long as the command and begins where peers of this home began.\n"
	    "\n"
	    "  --dht-node HOST:PORT  begin there; may be repeated\n"
	    "  --sign                put: sign it with your key; the next one replaces it\n"
	    "  --salt TEXT           put: the same, one for each TEXT; get: the one of KEY and "
	    "TEXT\n"
	    "  --listen ADDR         use this address alone\n"
	    "\n"
	    "'put' prints what 'get' wants: the target of a value, or of a signed one your key. "
	    "Others\n"
	    "keep a value for about two hours.\n"
	    "\n"
	    "examples:\n"
	    "  shoal dht\n"
	    "  shoal dht lookup 0123456789abcdef0123456789abcdef01234567\n"
	    "  shoal dht put 'it is 42' --salt news\n",
	.accepts = "dht-node sign salt listen",
	.max_args = 2,
	.run = cmd_dht,
    },
    {
	.name = "leave",
	.summary = "ask the peers that run from this home to leave",
	.usage = "shoal leave [--drain] [--drain-timeout TIME]",
	.help =
	    "They leave as after Ctrl-C, and it is said when one held the only copy of something.\n"
	    "\n"
	    "  --drain               first hand on what nobody else has\n"
	    "  --drain-timeout TIME  for so long at most (10m)\n"
	    "\n"
	    "examples:\n"
	    "  shoal leave\n"
	    "  shoal leave --drain --drain-timeout 1h\n",
	.accepts = "drain drain-timeout",
	.max_args = 0,
	.run = cmd_leave,
    },
    {
	.name = "daemon",
	.summary = "run the long-lived peer that share and get hand over to",
	.usage = "shoal daemon [-d]",
	.help =
	    "  -d, --detach       go to the background once all is ready\n"
	    "  --max-active N     downloads at a time, the others wait (5)\n"
	    "  --queue-seeds      what is complete waits for a turn, too\n"
	    "  --http-port N      port of its HTTP API on loopback (6880, else a free one; 0: "
	    "any)\n"
	    "  --no-map           do not ask the router for a port (SHOAL_NO_MAP=yes)\n"
	    "  --beneath DIR      read and write what is beneath it, and nowhere else; may be "
	    "repeated\n"
	    "  --no-sandbox       keep all rights of who runs it (SHOAL_NO_SANDBOX=yes)\n"
	    "  --no-lsd           do not look for peers on the local network (SHOAL_NO_LSD=yes)\n"
	    "  --dht-node HOST:PORT  begin there in the distributed hash table; may be repeated\n"
	    "  --no-dht         take no part in it (SHOAL_NO_DHT=yes)\n"
	    "  --encryption HOW   of connections to peers: accept (default), prefer or require\n"
	    "  --transport WHAT   of connections to peers: both (default), tcp or utp\n"
	    "  --limit-down RATE, --limit-up RATE  bytes a second of all together (500K, 2M)\n"
	    "  --limit-at FROM-TO=DOWN[/UP]  others at that time of day (08:00-18:00=1M/200K)\n"
	    "  --limit-lan        also for peers of the own network, which are spared without it\n"
	    "  --max-peers N      connections to peers at a time (4000, as far as the system "
	    "lets)\n"
	    "  --max-peers-per-transfer N  of one transfer (200)\n"
	    "  --max-open-files N files of transfers that are open at a time (128)\n"
	    "  --max-memory SIZE  of buffers for pieces and messages (128M)\n"
	    "  --on-complete COMMAND  run it for each that is complete or failed, never by a "
	    "shell\n"
	    "  --webhook URL      tell it of each, as JSON by POST; may be repeated\n"
	    "  --listen ADDR      listen for peers on this address alone\n"
	    "\n"
	    "What is shared and fetched through it goes on until it is removed, also after a "
	    "restart.\n"
	    "SIGHUP makes it read its settings again. One runs from a home at a time.\n"
	    "\n"
	    "examples:\n"
	    "  shoal daemon --detach\n"
	    "  shoal share genome.tar; shoal status\n",
	.accepts =
	    "detach max-active queue-seeds http-port listen no-map beneath no-sandbox no-lsd "
	    "no-dht "
	    "dht-node "
	    "encryption transport limit-down limit-up limit-at limit-lan on-complete webhook "
	    "max-peers max-peers-per-transfer max-open-files max-memory",
	.max_args = 0,
	.run = cmd_daemon,
    },
    {
	.name = "status",
	.summary = "show what the daemon shares and fetches",
	.usage = "shoal status [ID|NAME] [--watch]",
	.help = "  --watch   again every second, until Ctrl-C\n"
		"\n"
		"examples:\n"
		"  shoal status\n"
		"  shoal status --watch\n"
		"  shoal status genome.tar --json\n",
	.accepts = "watch",
	.completes = "@job",
	.max_args = 1,
	.run = cmd_status,
    },
    {
	.name = "files",
	.summary = "list the files of a transfer of the daemon",
	.usage = "shoal files ID|NAME",
	.help =
	    "How much of each is there, and its priority: high, normal, low, or skip, which is\n"
	    "not fetched; 'shoal priority' changes it.\n"
	    "\n"
	    "examples:\n"
	    "  shoal files 7\n"
	    "  shoal files photos --json\n",
	.accepts = "",
	.completes = "@job",
	.min_args = 1,
	.max_args = 1,
	.run = cmd_files,
    },
    {
	.name = "top",
	.summary = "watch the daemon on a whole screen, and steer it",
	.usage = "shoal top",
	.help =
	    "Transfers with their rates, and the selected one's pieces and peers; '?' lists the "
	    "keys.\n"
	    "\n"
	    "examples:\n"
	    "  shoal daemon -d; shoal top\n",
	.accepts = "",
	.max_args = 0,
	.run = cmd_top,
    },
    {
	.name = "pause",
	.summary = "let transfers of the daemon rest",
	.usage = "shoal pause ID|NAME...",
	.help = "What there is stays; 'shoal resume' goes on without hashing it again.\n"
		"\n"
		"examples:\n"
		"  shoal pause 3\n"
		"  shoal pause alice@lab/genome.tar 5\n",
	.accepts = "",
	.completes = "@job",
	.min_args = 1,
	.max_args = -1,
	.run = cmd_pause,
    },
    {
	.name = "resume",
	.summary = "go on with paused or failed transfers of the daemon",
	.usage = "shoal resume ID|NAME...",
	.help = "examples:\n"
		"  shoal resume 3\n",
	.accepts = "",
	.completes = "@job",
	.min_args = 1,
	.max_args = -1,
	.run = cmd_resume,
    },
    {
	.name = "remove",
	.summary = "take transfers out of the daemon",
	.usage = "shoal remove ID|NAME... [--with-data]",
	.help = "  --with-data   remove their files, too: those that the torrent names (--data)\n"
		"\n"
		"The entry stays in the index; 'shoal unshare' removes that.\n"
		"\n"
		"examples:\n"
		"  shoal remove 3\n"
		"  shoal remove genome.tar --with-data\n",
	.accepts = "with-data",
	.completes = "@job",
	.min_args = 1,
	.max_args = -1,
	.run = cmd_remove,
    },
    {
	.name = "recheck",
	.summary = "hash what transfers of the daemon have on disk",
	.usage = "shoal recheck ID|NAME...",
	.help = "What does not match is fetched again as long as a download is not complete.\n"
		"\n"
		"examples:\n"
		"  shoal recheck 3\n",
	.accepts = "",
	.completes = "@job",
	.min_args = 1,
	.max_args = -1,
	.run = cmd_recheck,
    },
    {
	.name = "priority",
	.summary = "which downloads of the daemon, and which of their files, come first",
	.usage = "shoal priority ID|NAME... high|normal|low|NUMBER [--file GLOB]",
	.help =
	    "Among those that wait the highest begins first, then the oldest.\n"
	    "\n"
	    "  --file GLOB        of these files of it alone: high, normal, low, or skip, which\n"
	    "                     is not to fetch them; may be repeated; '!GLOB' takes out.\n"
	    "                     What is got with --follow goes by it in newer versions, too\n"
	    "\n"
	    "examples:\n"
	    "  shoal priority 7 high\n"
	    "  shoal priority films skip --file '*.srt'\n",
	.accepts = "file",
	.completes = "@job high normal low skip",
	.min_args = 2,
	.max_args = -1,
	.run = cmd_priority,
    },
    {
	.name = "limit",
	.summary = "limit the rates of the daemon or of its transfers",
	.usage = "shoal limit [ID|NAME...] [--down RATE] [--up RATE]",
	.help =
	    "  --down RATE, --up RATE  bytes a second (500K, 2M); 0: no limit\n"
	    "\n"
	    "Without ID of all together, until the daemon ends; its --limit-down and --limit-up\n"
	    "are for ever. Of a transfer it is remembered. Nothing given: it is shown.\n"
	    "\n"
	    "examples:\n"
	    "  shoal limit --down 10M\n"
	    "  shoal limit 3 --up 200K\n",
	.accepts = "down up",
	.completes = "@job",
	.max_args = -1,
	.run = cmd_limit,
    },
    {
	.name = "queue",
	.summary = "how many downloads the daemon runs at a time",
	.usage = "shoal queue [NUMBER]",
	.help = "With NUMBER: so many, until the daemon ends; its --max-active is for ever.\n"
		"\n"
		"examples:\n"
		"  shoal queue\n"
		"  shoal queue 10\n",
	.accepts = "",
	.max_args = 1,
	.run = cmd_queue,
    },
    {
	.name = "whoami",
	.summary = "show the owner's name and key that you publish with",
	.usage = "shoal whoami [--as OWNER]",
	.help =
	    "The key is made at first use and stays in its folder; what it signed, nobody else\n"
	    "can replace. Who has the folder can publish as you: keep a copy, and keep it to\n"
	    "yourself.\n"
	    "\n"
	    "  --as OWNER   own names as OWNER, now and later\n"
	    "\n"
	    "examples:\n"
	    "  shoal whoami\n"
	    "  shoal whoami --as alice@lab\n",
	.accepts = "as",
	.max_args = 0,
	.run = cmd_whoami,
    },
    {
	.name = "shell",
	.summary = "a prompt: transfers run on while you type",
	.usage = "shoal shell",
	.help =
	    "With history (Ctrl-R searches it) and completion of commands, options, names and\n"
	    "paths. 'help' lists its commands; all others of shoal work in it, too. Shares and\n"
	    "downloads run on behind it until 'quit', which unpublishes what it has shared.\n"
	    "Reads commands from a pipe as well, and waits for downloads at its end.\n"
	    "\n"
	    "examples:\n"
	    "  shoal shell\n"
	    "  shoal shell --index http://nas:6969\n"
	    "  echo 'get genome.tar' | shoal shell\n",
	.accepts = "",
	.max_args = 0,
	.run = cmd_shell,
    },
    {
	.name = "doctor",
	.summary = "look for what could be wrong with this machine",
	.usage = "shoal doctor",
	.help =
	    "One line each: settings, home, key, space and speed of the disk here, limits, port,\n"
	    "index, clock, running peers, versions; and what to do where something is wrong.\n"
	    "Exit status 0: nothing that stops you; 1: something does.\n"
	    "\n"
	    "  --listen ADDR  the address that a peer is to listen on\n"
	    "  --max-peers N, --max-peers-per-transfer N, --max-open-files N, --max-memory SIZE\n"
	    "                 what a peer is to have at most\n"
	    "\n"
	    "examples:\n"
	    "  shoal doctor\n"
	    "  shoal doctor -q --index https://box:6969\n",
	.accepts = "listen max-peers max-peers-per-transfer max-open-files max-memory",
	.max_args = 0,
	.run = cmd_doctor,
    },
    {
	.name = "config",
	.summary = "show the settings that hold, and where from",
	.usage = "shoal config [COMMAND]",
	.help =
	    "What the command line does not say, the environment does, or else the file of\n"
	    "settings: lines like 'index = http://nas:6969', named as the long options are; below\n"
	    "a line '[get]' they are for 'shoal get' alone. With COMMAND: what holds for it.\n"
	    "\n"
	    "examples:\n"
	    "  shoal config\n"
	    "  shoal config get --json\n",
	.accepts = "",
	.completes = "@command",
	.max_args = 1,
	.run = cmd_config,
    },
    {
	.name = "completions",
	.summary = "print completions for a shell",
	.usage = "shoal completions bash|zsh|fish",
	.help = "Packages install them. By hand:\n"
		"\n"
		"  source <(shoal completions bash)\n"
		"  shoal completions zsh > ~/.zfunc/_shoal      # a folder of $fpath\n"
		"  shoal completions fish > ~/.config/fish/completions/shoal.fish\n",
	.accepts = "",
	.completes = "bash zsh fish",
	.min_args = 1,
	.max_args = 1,
	.run = cmd_completions,
    },
    {
	.name = "create",
	.summary = "make a .torrent file, offline",
	.usage = "shoal create PATH [-o FILE.torrent]",
	.help = "  -o, --out FILE     where to write it (NAME.torrent here; '-': stdout)\n"
		"  --name NAME        name inside the torrent\n"
		"  --tracker URL      announce here; may be repeated\n"
		"  --piece-length N   16K to 128M, a power of two\n"
		"  --v1-only, --v2-only  instead of a hybrid torrent\n"
		"  --webseed URL      a web server has it too (BEP 19); may be repeated\n"
		"  --exclude GLOB     of a folder not these, at any depth; may be repeated\n"
		"  --private          BEP 27: peers come from the trackers alone\n"
		"  --comment TEXT     goes into the .torrent\n"
		"\n"
		"A file that is there already is never replaced.\n"
		"\n"
		"examples:\n"
		"  shoal create genome.tar\n"
		"  shoal create ./photos -o photos.torrent --tracker "
		"http://tracker.lan:6969/announce\n",
	.accepts = "out name exclude tracker webseed piece-length v1-only v2-only private comment",
	.completes = "@path",
	.min_args = 1,
	.max_args = 1,
	.run = cmd_create,
    },
    {
	.name = "verify",
	.summary = "check files against a .torrent, offline",
	.usage = "shoal verify FILE.torrent [PATH]",
	.help = "PATH is the file or folder; when not given, the torrent's name, here or beside\n"
		"FILE.torrent. Exit status 0: all is as it should be; 10: it is not.\n"
		"\n"
		"examples:\n"
		"  shoal verify genome.torrent\n"
		"  shoal verify genome.torrent /data/genome.tar\n",
	.accepts = "",
	.completes = "@path",
	.min_args = 1,
	.max_args = 2,
	.run = cmd_verify,
    },
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

const struct command *commands_all(size_t *n)
{
	*n = N_COMMANDS;
	return commands;
}

const struct command *commands_find(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

int commands_check_sections(const struct config *c, struct err_info *info)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->list[i].section != NULL && commands_find(c->list[i].section) == NULL)
			return config_refuse(c, c->list[i].number,
					     "in a section that is named like no command", info);
	return OK;
}
