"""The hand-over of a suspended connection from worker to engine, hammered with a module that sleeps in httpd's hook: every
weaker rule than the one in mod_dgon/README.md crashes here, which valgrind and ASan cannot see (pools are reused at once)."""

import subprocess

import pytest

import env

CONNECTIONS = 20000


@pytest.mark.timeout(240)
def test_no_crash_while_the_worker_sleeps():
    backend = subprocess.Popen([env.OBJ / "bench/fakellm", "--port", "0"], env=env.environment(), stdout=subprocess.PIPE, text=True)
    gateway = env.Gateway("test_handover", threads=32, module=env.OBJ / "mod_dgon/.libs/mod_dgon_handover.so")
    agent = None
    try:
        port = backend.stdout.readline().split()[-1].rsplit(":")[-1]
        gateway.start()
        agent = env.Agent(gateway, f"http://127.0.0.1:{port}", slots=256).start("bench")
        load = subprocess.run(
            [env.OBJ / "bench/load", "--streams", "64", "--requests", str(CONNECTIONS), "--fresh", "--tokens", "1",
             f"127.0.0.1:{gateway.port}/v1/chat/completions"], env=env.environment(), capture_output=True, text=True, timeout=200)
        assert load.returncode == 0, load.stdout + load.stderr
        assert f"complete {CONNECTIONS}" in load.stdout
        gateway.check_log()  # a child that died of a signal would stand there
    finally:
        if agent:
            agent.stop()
        gateway.stop()
        env.stop_process(backend, "fakellm")
        backend.stdout.close()
