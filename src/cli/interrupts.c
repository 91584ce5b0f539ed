#include "cli/interrupts.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static const int signals[] = {SIGINT, SIGTERM};
#define N_SIGNALS (sizeof(signals) / sizeof(signals[0]))

/* What the handler knows; set before it can be called. */
static int end_code;
static const char *end_text;
static size_t end_text_len;

static void on_signal(int signo)
{
	ssize_t n = write(STDERR_FILENO, end_text, end_text_len);

	(void)signo;
	(void)n;
	_exit(end_code);
}

static void change(void (*from)(int), void (*to)(int), int signo)
{
	struct sigaction now, next = {.sa_handler = to};

	if (sigaction(signo, NULL, &now) == 0 && now.sa_handler == from)
		(void)sigaction(signo, &next, NULL);
}

void interrupts_end(int code, const char *text)
{
	end_code = code;
	end_text = text == NULL ? "" : text;
	end_text_len = strlen(end_text);
	for (size_t i = 0; i < N_SIGNALS; i++)
		change(SIG_DFL, on_signal, signals[i]);
}

void interrupts_skip_reload(void)
{
	change(SIG_DFL, SIG_IGN, SIGHUP);
}

void interrupts_yield(void)
{
	for (size_t i = 0; i < N_SIGNALS; i++)
		change(on_signal, SIG_DFL, signals[i]);
}

void interrupts_take_back(void)
{
	for (size_t i = 0; i < N_SIGNALS && end_text != NULL; i++)
		change(SIG_DFL, on_signal, signals[i]);
}

static void mask(int how)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < N_SIGNALS; i++)
		sigaddset(&set, signals[i]);
	(void)sigprocmask(how, &set, NULL);
}

void interrupts_hold(void)
{
	mask(SIG_BLOCK);
}

void interrupts_let(void)
{
	mask(SIG_UNBLOCK);
}
