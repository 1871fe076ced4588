"""httpd's sections for directories and files hold for requests for models, though no file stands behind them."""

import json

import httpx
import pytest

import env

QUESTION = {"model": "nobody", "messages": [{"role": "user", "content": "x"}]}


def ask(gateway, path, method="POST"):
    with httpx.Client(base_url=gateway.url, trust_env=False) as c:
        return c.request(method, path, json=QUESTION if method == "POST" else None)


@pytest.fixture
def gateway(request):
    g = env.Gateway("test_walk", conf=request.param)
    g.expect("AH01630")  # client denied by server configuration
    g.start()
    yield g
    g.stop()


@pytest.mark.parametrize("gateway", ['<Directory "@HTDOCS@">\nRequire all denied\n</Directory>',
                                     '<Directory "@HTDOCS@">\nOptions None\nRequire all denied\n</Directory>'], indirect=True)
def test_a_directory_that_is_denied(gateway):
    for path, method in (("/v1/chat/completions", "POST"), ("/v1/models", "GET"), ("/v1/models/x.gz", "GET"), ("/api/chat", "POST")):
        assert ask(gateway, path, method).status_code == 403, path


@pytest.mark.parametrize("gateway", ['<Directory "@HTDOCS@">\nOptions None\n</Directory>', '<Directory "@HTDOCS@">\nAllowOverride All\n</Directory>', ""],
                         indirect=True)
def test_a_directory_that_is_open(gateway):
    answer = ask(gateway, "/v1/chat/completions")
    assert answer.status_code == 404 and answer.json()["error"]["code"] == "model_not_found", answer.text
    assert ask(gateway, "/v1/models", "GET").json() == {"object": "list", "data": []}


@pytest.mark.parametrize("gateway", ["AddEncoding x-gzip .gz\nAddLanguage pt .pt\n<FilesMatch \"\\.bak$\">\nRequire all denied\n</FilesMatch>"], indirect=True)
def test_an_ending_of_a_models_name_means_nothing(gateway):
    for name in ("llama.gz", "llama.pt", "llama.bak"):
        answer = ask(gateway, f"/v1/models/{name}", "GET")
        assert answer.status_code == 404 and json.loads(answer.content)["error"]["code"] == "model_not_found", name
        assert "content-encoding" not in answer.headers and "content-language" not in answer.headers, name
