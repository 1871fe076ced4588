/* `dgon-agent join URL CODE`: makes the agent's key, trades the code for its entry at the gateway,
 * writes the credential and, where there is none, a configuration. */
#ifndef AGENT_JOIN_H
#define AGENT_JOIN_H

/* argv[0] is "join". An exit code of agent.h; texts for a person go to stdout and stderr. */
int agent_join(int argc, char **argv);

#endif
