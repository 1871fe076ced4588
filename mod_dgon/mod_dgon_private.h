/* What every file of the module shares: the module record and the log index, nothing else. */
#ifndef MOD_DGON_PRIVATE_H
#define MOD_DGON_PRIVATE_H

#include <httpd.h>
#include <http_config.h>
#include <http_log.h>

/* the one symbol that the .so exports */
extern module AP_MODULE_DECLARE_DATA dgon_module __attribute__((visibility("default")));
APLOG_USE_MODULE(dgon);

#define MOD_DGON_VERSION "0.1.0"

#endif
