/* Handler dgon-ollama: Ollama's own API, for its programs. */
#ifndef MOD_DGON_OLLAMA_H
#define MOD_DGON_OLLAMA_H

#include "mod_dgon_private.h"

int mod_dgon_ollama_handler(request_rec *r);

#endif
