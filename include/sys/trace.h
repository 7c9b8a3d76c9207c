/*
 * include/sys/trace.h: the trace's way out of the machine.
 */
#ifndef SYS_TRACE_H
#define SYS_TRACE_H

/* The word `trace`: begins the trace, and a thread that sends it to the launcher. Once, at boot. */
void trace_start(void);

/* Ends the trace, and waits until all of it is sent. Nothing happens without one. No locks. */
void trace_end(void);

#endif
