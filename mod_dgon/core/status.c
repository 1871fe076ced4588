#include "dgon/status.h"

const char *dgon_status_str(dgon_status s)
{
    switch (s) {
    case DGON_OK:
        return "ok";
    case DGON_AGAIN:
        return "nothing to do yet";
    case DGON_DONE:
        return "done";
    case DGON_EPROTO:
        return "protocol violation";
    case DGON_EUTF8:
        return "invalid UTF-8 or control character";
    case DGON_EJSON:
        return "not the JSON that was expected";
    case DGON_EBACKEND:
        return "error of the backend";
    case DGON_EINVAL:
        return "invalid argument";
    case DGON_ENOTFOUND:
        return "not found";
    case DGON_ESTALE:
        return "no longer current";
    case DGON_EEXIST:
        return "exists already";
    case DGON_EFULL:
        return "full";
    case DGON_ETOOBIG:
        return "too big";
    case DGON_EDEPTH:
        return "nested too deeply";
    case DGON_ENOMEM:
        return "out of memory";
    case DGON_ESYS:
        return "system error";
    }
    return "unknown status";
}
