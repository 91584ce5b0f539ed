#include "cli/exit.h"

int exit_from_err(enum err code)
{
	switch (code) {
	case OK:
		return EXIT_OK;
	case ERR_PROTO:
	case ERR_MISMATCH:
		return EXIT_CORRUPT;
	case ERR_NOENT:
		return EXIT_NOT_FOUND;
	case ERR_EXISTS:
		return EXIT_TAKEN;
	case ERR_DENIED:
		return EXIT_DENIED;
	case ERR_NOSPACE:
		return EXIT_NO_SPACE;
	case ERR_TIMEOUT:
	case ERR_UNREACHABLE:
		return EXIT_UNREACHABLE;
	case ERR_INVALID:
		return EXIT_USAGE;
	case ERR_AMBIGUOUS:
		return EXIT_AMBIGUOUS;
	case ERR_CANCELLED:
		return EXIT_INTERRUPTED;
	case ERR_TOO_BIG:
	case ERR_NOMEM:
	case ERR_IO:
	case ERR_AGAIN:
		break;
	}
	return EXIT_FAILED;
}
