/* meta/meta_fault.c - one sentence for each way a .torrent can be wrong. */
#include "meta/metainfo.h"

enum err meta_fault_err(enum meta_fault f)
{
	return f == META_OK ? OK : f == META_NOMEM ? ERR_NOMEM : ERR_PROTO;
}

const char *meta_fault_text(enum meta_fault f)
{
	switch (f) {
	case META_OK:
		return "the torrent is sound";
	case META_NOT_BENCODE:
		return "it is not bencode, or is cut short";
	case META_BENCODE_LIMIT:
		return "it nests too deep, or holds too many values or too large a number";
	case META_TRAILING_BYTES:
		return "there are bytes after its end";
	case META_TOO_LARGE:
		return "it is larger than 64 MiB";
	case META_NOT_DICT:
		return "it is bencode, but no dictionary";
	case META_NO_INFO:
		return "it has no 'info'";
	case META_INFO_NOT_DICT:
		return "its 'info' is no dictionary";
	case META_DUPLICATE_KEY:
		return "a key occurs twice in one dictionary";
	case META_UNSORTED_V2:
		return "the keys of a v2 'info' are not sorted";
	case META_VERSION_UNKNOWN:
		return "its 'meta version' is not 2: it is of a kind this program cannot read";
	case META_NO_NAME:
		return "it has no 'name'";
	case META_NAME_EMPTY:
		return "its 'name' is empty";
	case META_NAME_BAD:
		return "its 'name' is '.' or '..', or has a '/' or a zero byte in it";
	case META_NAME_LONG:
		return "its 'name' is longer than 255 bytes";
	case META_NO_PIECE_LENGTH:
		return "it has no 'piece length'";
	case META_PIECE_LENGTH_BAD:
		return "its 'piece length' is too small or larger than 128 MiB";
	case META_PIECE_LENGTH_NOT_POWER:
		return "its 'piece length' is not a power of two, as v2 wants it";
	case META_NO_PIECES:
		return "it has no 'pieces'";
	case META_PIECES_NOT_20:
		return "the length of 'pieces' is not a multiple of 20";
	case META_PIECES_FEW:
		return "'pieces' has fewer hashes than the files need";
	case META_PIECES_MANY:
		return "'pieces' has more hashes than the files need";
	case META_TOO_MANY_PIECES:
		return "it has more than 2097152 pieces";
	case META_NO_FILES:
		return "it names no file: neither 'length' nor 'files' nor 'file tree'";
	case META_FILES_NOT_LIST:
		return "its 'files' is no list";
	case META_FILES_EMPTY:
		return "its 'files' lists no file";
	case META_FILE_NOT_DICT:
		return "a file's entry is no dictionary";
	case META_FILE_NO_LENGTH:
		return "a file has no 'length'";
	case META_FILE_LENGTH_BAD:
		return "the length of a file is negative";
	case META_SIZE_OVERFLOW:
		return "the lengths of its files add up to more than a number can hold";
	case META_FILE_NO_PATH:
		return "a file has no 'path'";
	case META_PATH_EMPTY:
		return "a path is empty";
	case META_PATH_BAD:
		return "a part of a path is '.' or '..', or has a '/' or a zero byte in it";
	case META_PATH_LONG:
		return "a path is longer than 4000 bytes, or a part of one than 255";
	case META_PATHS_LONG:
		return "its paths together are many times longer than the torrent";
	case META_PATH_CLASH:
		return "two files have one path, or a file lies where a folder is";
	case META_TOO_MANY_FILES:
		return "it has more than 500000 files";
	case META_TREE_NOT_DICT:
		return "the 'file tree', or a folder in it, is no dictionary";
	case META_TREE_EMPTY:
		return "the 'file tree', or a folder in it, is empty";
	case META_TREE_ROOT_IS_FILE:
		return "the root of the 'file tree' is a file";
	case META_TREE_FILE_HAS_SIBLINGS:
		return "a file in the 'file tree' is a folder as well";
	case META_TREE_DEEP:
		return "a file lies more than 90 folders deep";
	case META_ROOT_MISSING:
		return "a v2 file has no 'pieces root'";
	case META_ROOT_BAD_LENGTH:
		return "a 'pieces root' is not 32 bytes long";
	case META_ROOT_ZERO:
		return "a 'pieces root' is all zeros";
	case META_ROOT_ON_EMPTY_FILE:
		return "an empty file has a 'pieces root'";
	case META_LAYERS_MISSING:
		return "it has no 'piece layers', but files of more than one piece";
	case META_LAYERS_NOT_DICT:
		return "its 'piece layers' is no dictionary";
	case META_LAYER_MISSING:
		return "the 'piece layers' lack a file of more than one piece";
	case META_LAYER_EXTRA:
		return "the 'piece layers' hold hashes that belong to no file";
	case META_LAYER_BAD_LENGTH:
		return "one of the 'piece layers' has the wrong length";
	case META_LAYER_MISMATCH:
		return "one of the 'piece layers' does not hash to its file's root";
	case META_HYBRID_FILES_DIFFER:
		return "its v1 and v2 file lists differ";
	case META_PAD_BAD:
		return "a pad file is missing, out of place or of the wrong length";
	case META_SYMLINK_BAD:
		return "a symbolic link has a length";
	case META_NOMEM:
		return "out of memory";
	}
	return "unknown fault";
}
