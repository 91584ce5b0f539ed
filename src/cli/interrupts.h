/* cli/interrupts.h - Ctrl-C and SIGTERM before there is a loop that hears them. What takes long
 * then waits for others (an index, a lock, standard input), and nothing is under way that must be
 * ended in order. A signal that is ignored stays so. One thread. */
#ifndef SHOAL_CLI_INTERRUPTS_H
#define SHOAL_CLI_INTERRUPTS_H

/* From here on they end the process at once, with this exit code. `text`: a line for standard
 * error; NULL: none. Lives as long as the process. */
void interrupts_end(int code, const char *text);
/* SIGHUP, which makes a long-lived one read its settings again, finds none that are old yet. */
void interrupts_skip_reload(void);
/* What is begun from here on must be ended in order: they wait. Threads that are made meanwhile
 * leave them to this one. */
void interrupts_hold(void);
/* The loop hears them next, before interrupts_let(); they do what they did before interrupts_end().
 */
void interrupts_yield(void);
/* After interrupts_yield(): they end the process again as interrupts_end() said, if it was called.
 */
void interrupts_take_back(void);
/* Those that waited come now. */
void interrupts_let(void);

#endif
