"""The two users of the examples that are not about who may come in, and what their gateway must do for each."""

import subprocess

import sdk

PASSWORDS = {"ada": "canary-ada-81", "eve": "canary-eve-82"}


def files(site):
    hashes = (subprocess.run(["openssl", "passwd", "-5", p], capture_output=True, text=True, check=True).stdout for p in PASSWORDS.values())
    site.etc("users", "".join(f"{user}:{text}" for user, text in zip(PASSWORDS, hashes)))
    site.etc("groups", "llm: ada\nothers: eve\n")
    site.expect("AH01614|AH01617|AH01618|AH01631")  # another scheme, wrong password, unknown user, wrong group
    return site


def headers(site, user="ada", password=None):
    return site.basic(user, password or PASSWORDS[user])


def check(site):
    sdk.check_user(site, "ada", headers=headers(site))
    sdk.check_out(sdk.program(site, headers=headers(site, "eve")), 403)
    sdk.check_out(sdk.program(site, headers=headers(site, "ada", "canary-wrong-83")), 401)
    sdk.check_nobody(site, "Basic realm=")
