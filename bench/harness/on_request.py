"""Peers that no distribution carries: build.sh fetches them into build/bench-env when --peers names them."""

import os
import socket

from .servers import TOP, Process, Server, answers, free_port, program

ENV = os.path.join(TOP, "build", "bench-env")
LITELLM = """model_list:
  - model_name: bench
    litellm_params:
      model: openai/bench
      api_base: {backend}/v1
      api_key: none
litellm_settings:
  telemetry: false
  request_timeout: 300
"""
# Portkey takes the model server from headers, so an nginx in front of it sets them.
PORTKEY = """daemon off;
worker_processes 1;
pid {dir}/{name}.pid;
error_log {dir}/{name}.error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
    upstream portkey {{ server 127.0.0.1:{inner}; keepalive 256; }}
    server {{
        listen 127.0.0.1:{port};
        location = /v1/models {{ return 200; }}
        location / {{
            proxy_pass http://portkey;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Authorization "Bearer none";
            proxy_set_header x-portkey-provider openai;
            proxy_set_header x-portkey-custom-host {backend}/v1;
            proxy_set_header x-portkey-forward-headers x-bench;
            proxy_buffering off;
        }}
    }}
}}
"""


def installed(path, name):
    path = os.path.join(ENV, name, path)
    if not os.path.exists(path):
        raise SystemExit(f"{name} is not in build/bench-env: start the bench with ./build.sh bench --peers {name}")
    return path


def start_litellm(dir, backend, name):
    conf, port = os.path.join(dir, name + ".yaml"), free_port()
    with open(conf, "w") as f:
        f.write(LITELLM.format(backend=backend))
    env = {**os.environ, "NO_PROXY": "127.0.0.1", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR",
           "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"}  # on loopback, without keys like the others
    p = Process(dir, name, [installed("bin/litellm", "litellm"), "--config", conf, "--host", "127.0.0.1", "--port",
                            str(port), "--num_workers", "1"], env)
    p.wait_for(90, lambda: answers(port))
    return Server(f"http://127.0.0.1:{port}", {"litellm": p})


def start_portkey(dir, backend, name):
    port, inner = free_port(), free_port()
    script = installed("node_modules/@portkey-ai/gateway/build/start-server.js", "portkey")
    # It refuses hosts of private networks unless they are named.
    env = {**os.environ, "TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"}
    p = Process(dir, name, [program("node", "nodejs"), script, f"--port={inner}", "--headless"], env)
    p.wait_for(30, lambda: answers_at_all(inner))
    conf = os.path.join(dir, name + ".conf")
    with open(conf, "w") as f:
        f.write(PORTKEY.format(dir=dir, name=name, inner=inner, port=port, backend=backend))
    front = Process(dir, name + "-front", [program("nginx"), "-p", dir, "-e", f"{dir}/{name}.error.log", "-c", conf])
    front.wait_for(10, lambda: answers(port))
    # It drops members of the body that it does not know.
    return Server(f"http://127.0.0.1:{port}", {"portkey": p, "front": front}, ["--header"])


def answers_at_all(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def start(dir, kind, backend, name):
    return {"litellm": start_litellm, "portkey": start_portkey}[kind](dir, backend, name)
