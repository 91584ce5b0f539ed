#include "cli/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/home.h"
#include "store/durable.h"

#define BLANKS " \t\r"

char *config_path(void)
{
	const char *own = getenv("SHOAL_HOME"), *xdg = getenv("XDG_CONFIG_HOME");
	char *user, *path = NULL;
	int n;

	if (own != NULL && *own != '\0') {
		n = asprintf(&path, "%s/config", own);
	} else if (xdg != NULL && *xdg == '/') {
		/* The XDG base directory specification: a relative path is to be ignored. */
		n = asprintf(&path, "%s/shoal/config", xdg);
	} else {
		user = home_of_user();
		n = user == NULL ? -1 : asprintf(&path, "%s/.config/shoal/config", user);
		free(user);
	}
	return n < 0 ? NULL : path;
}

int config_refuse(const struct config *c, unsigned number, const char *reason,
		  struct err_info *info)
{
	char safe[256];

	return err_set(info, ERR_INVALID, "%s:%u: %s",
		       text_escape(safe, sizeof(safe), bytes_str(c->path)), number, reason);
}

static char *trim(char *s)
{
	size_t len;

	s += strspn(s, BLANKS);
	len = strlen(s);
	while (len > 0 && strchr(BLANKS, s[len - 1]) != NULL)
		len--;
	s[len] = '\0';
	return s;
}

/* "[get]": the commands that the lines below it are for. */
static int take_section(struct config *c, unsigned number, char *line, const char **section,
			struct err_info *info)
{
	size_t len = strlen(line);

	if (line[len - 1] != ']')
		return config_refuse(c, number, "a section is [COMMAND]", info);
	line[len - 1] = '\0';
	*section = trim(line + 1);
	if (**section == '\0')
		return config_refuse(c, number, "a section is [COMMAND]", info);
	return OK;
}

static int take_line(struct config *c, unsigned number, char *line, const char **section,
		     struct err_info *info)
{
	char *equals, *value;
	size_t len;

	line = trim(line);
	if (*line == '\0' || *line == '#' || *line == ';')
		return OK;
	if (*line == '[')
		return take_section(c, number, line, section, info);
	equals = strchr(line, '=');
	if (equals == NULL || equals == line)
		return config_refuse(c, number, "neither KEY = VALUE nor [COMMAND] nor a comment",
				     info);
	*equals = '\0';
	value = trim(equals + 1);
	len = strlen(value);
	if (len >= 2 && value[0] == '"' && value[len - 1] == '"') {
		value[len - 1] = '\0';
		value++;
	}
	c->list[c->n++] = (struct config_line){
	    .section = *section, .key = trim(line), .value = value, .number = number};
	return OK;
}

static int take_text(struct config *c, struct err_info *info)
{
	const char *section = NULL;
	char *at = (char *)c->text.ptr, *end;
	unsigned number = 0, n_lines = 1;
	int err = OK;

	for (const char *p = at; (p = strchr(p, '\n')) != NULL; p++)
		n_lines++;
	c->list = calloc(n_lines, sizeof(*c->list));
	if (c->list == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	for (; at != NULL && err == OK; at = end) {
		end = strchr(at, '\n');
		if (end != NULL)
			*end++ = '\0';
		err = take_line(c, ++number, at, &section, info);
	}
	return err;
}

int config_read_take(struct config *c, char *path, struct err_info *info)
{
	int err;

	*c = (struct config){.path = path};
	buf_init(&c->text, CONFIG_BYTES_MAX);
	if (path == NULL || access(path, F_OK) != 0)
		return OK; /* or in a folder that is closed to us, of whoever became us */
	c->exists = true;
	err = durable_read_path(path, &c->text, info);
	if (err != OK)
		return err;
	if (c->text.len == 0)
		return OK;
	if (memchr(c->text.ptr, '\0', c->text.len) != NULL || !text_is_utf8(buf_bytes(&c->text)))
		return config_refuse(c, 1, "this is no text", info);
	if (buf_cstr(&c->text) == NULL)
		return err_set(info, ERR_NOMEM, "out of memory");
	return take_text(c, info);
}

void config_fini(struct config *c)
{
	free(c->path);
	free(c->list);
	buf_fini(&c->text);
	*c = (struct config){.path = NULL};
}
