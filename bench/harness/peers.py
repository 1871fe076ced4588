"""Other proxies, set up for streams: no buffering, connections to the backend kept. nginx has more connections
than files, because it drops clients that have not yet asked when it has used 15 of 16."""

import os
import subprocess

from .servers import FILES, Process, Server, answers, free_port, program, unprivileged

NGINX = """
{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile {files};
pid {dir}/{name}.pid;
error_log {dir}/{name}.error.log warn;
events {{ worker_connections {double}; }}
http {{
    access_log {dir}/{name}.access.log;
    client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
    keepalive_requests 1000000;
    upstream backend {{ server {backend}; keepalive 256; keepalive_requests 1000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://backend;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_read_timeout 300s;
        }}
    }}
}}
"""
HAPROXY = """
global
    {user}
    nbthread 1
    maxconn {half}
defaults
    mode http
    option http-no-delay
    option abortonclose
    http-reuse always
    timeout connect 5s
    timeout client 300s
    timeout server 300s
frontend in
    bind 127.0.0.1:{port} backlog 4096
    default_backend out
backend out
    server backend {backend} pool-max-conn -1
"""
MOD_PROXY = """
ServerRoot "{dir}"
DefaultRuntimeDir "{dir}"
PidFile "{dir}/{name}.pid"
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
{user}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
<IfModule !unixd_module>
    LoadModule unixd_module {modules}/mod_unixd.so
</IfModule>
StartServers 2
ServerLimit 2
ThreadLimit 128
ThreadsPerChild 128
MaxRequestWorkers 256
MaxKeepAliveRequests 0
ErrorLog "{dir}/{name}.log"
ProxyPass / http://{backend}/ flushpackets=on
"""
# Name: (template, how root gives its rights away, command before the file of the configuration)
DISTRIBUTION = {
    "nginx": (NGINX, "user {user} {group};", lambda d, n: [program("nginx"), "-p", d, "-e", f"{d}/{n}.error.log", "-c"]),
    "haproxy": (HAPROXY, "user {user}\n    group {group}", lambda d, n: [program("haproxy"), "-W", "-db", "-f"]),
    "mod_proxy": (MOD_PROXY, "User {user}\nGroup {group}",
                  lambda d, n: [program("apache2", "httpd"), "-D", "FOREGROUND", "-f"]),
}


def start(dir, kind, backend, name):
    """A peer of the distribution in front of backend (a URL); name is that of its files."""
    template, user, command = DISTRIBUTION[kind]
    port = free_port()
    modules = kind == "mod_proxy" and subprocess.check_output(["apxs", "-q", "LIBEXECDIR"], text=True).strip()
    conf = os.path.join(dir, name + ".conf")
    with open(conf, "w") as f:
        f.write(template.format(user=unprivileged(user), dir=dir, name=name, port=port, files=FILES, double=2 * FILES, half=FILES // 2 - 100,
                                backend=backend.removeprefix("http://"), modules=modules))
    p = Process(dir, name, [*command(dir, name), conf])
    p.wait_for(10, lambda: answers(port))
    return Server(f"http://127.0.0.1:{port}", {kind: p})
