"""The login ends while somebody talks: it is said, nothing is lost, and it goes on after signing in again. Basic, a cookie, and a
page behind a redirect to another host, as OpenID Connect does."""

import select
import socket

import pytest
from playwright.sync_api import expect

import env
import logins
import model
from talk import Talk

BANNER = "Your login has ended. Sign in again; what you wrote is kept."
REFUSED = "console error: Failed to load resource.*status of 401"
ADA = ("ada", "secret")
MODULES = ("authn_file", "authz_user", "auth_basic", "request", "session", "session_cookie", "auth_form")
CONF = """
{modules}Alias /basic "@HTDOCS@"
Alias /form "@HTDOCS@"
Alias /sso "@HTDOCS@"
Alias /login "{etc}"
<Directory "{etc}">
    ForceType text/html
    Require all granted
</Directory>
<LocationMatch "^/(basic|form|sso)/v1/">
    SetHandler dgon-api
</LocationMatch>
<LocationMatch "^/(basic|form)/">
    AuthName page
    AuthUserFile "{etc}/users"
    Require valid-user
</LocationMatch>
<Location "/basic/">
    AuthType Basic
</Location>
<Location "/form/">
    AuthType form
    AuthFormProvider file
    Session On
    SessionCookieName session path=/form/
    ErrorDocument 401 /login/form.html
</Location>
<Location "/sso/">
    <If "%{{HTTP_COOKIE}} !~ /sso=in/">
        Redirect 302 http://login.example.org:{elsewhere}/authorize
    </If>
</Location>
"""
FORM = """<!doctype html><html lang="en"><title>Sign in</title><form method="post" action="">
<input name="httpd_username" aria-label="Name"><input name="httpd_password" type="password" aria-label="Password"><button>Let me in</button></form></html>"""


@pytest.fixture(scope="module")
def etc():
    with logins.users_file(ADA) as users:
        (users.parent / "form.html").write_text(FORM)
        yield users.parent


class Elsewhere:
    """Another host, to which nobody may come."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def visited(self):
        return bool(select.select([self.listener], [], [], 0)[0])


@pytest.fixture(scope="module")
def elsewhere():
    elsewhere = Elsewhere()
    yield elsewhere
    elsewhere.listener.close()


@pytest.fixture(scope="module")
def stack(make_stack, etc, elsewhere):
    stack = make_stack(conf=CONF.format(modules=logins.modules(*MODULES), etc=etc, elsewhere=elsewhere.port))
    stack.gateway.expect("AH01617")  # a password that does not fit
    return stack


def password(etc, word):
    """The only user's, from now on."""
    logins.set_user(etc / "users", ADA[0], word)


@pytest.fixture
def says(stack):
    model.says(stack, "all is well")
    yield
    model.obeys(stack)


def lost(v, talk, question):
    """Asks without a login; what is said of it."""
    page = v.page
    talk.ask(question)
    failed = talk.ended("failed")
    expect(failed).to_contain_text(BANNER)
    expect(page.get_by_role("alert").filter(has_text=BANNER)).to_be_visible()
    talk.box.fill("a draft")
    return failed


def back(v, talk, question, sign_in=lambda popup: None):
    """Signs in again in a window of its own, which goes by itself; what was asked is answered."""
    with v.context.expect_page() as opened:
        v.page.get_by_role("alert").get_by_role("button", name="Sign in again").click()
    sign_in(opened.value)
    expect(v.page.get_by_role("alert").filter(has_text=BANNER)).to_have_count(0)
    env.wait_for(lambda: v.page.wait_for_timeout(20) or opened.value.is_closed(), 5, "end of the login's window")
    expect(talk.box).to_have_value("a draft")
    talk.press("Try again")
    expect(talk.ended()).to_contain_text("all is well")
    expect(talk.questions.last).to_contain_text(question)
    expect(talk.questions).to_have_count(2)
    expect(talk.box).to_have_value("a draft")


def test_basic(stack, etc, visit, says):
    v = visit(stack.url, "/basic/", http_credentials={"username": "ada", "password": "secret"})
    talk = Talk(v.page)
    talk.asks("Before")
    v.watch.expect(REFUSED, "ERR_INVALID_AUTH_CREDENTIALS")
    password(etc, "another")
    try:
        lost(v, talk, "Without a login")
        v.page.emulate_media(reduced_motion="reduce")
        v.check_looks("login-ended")
    finally:
        password(etc, "secret")
    back(v, talk, "Without a login")


def test_the_login_ends_in_mid_answer(stack, etc, visit):
    """What is being answered is answered to its end; what is asked then is not."""
    v = visit(stack.url, "/basic/", http_credentials={"username": "ada", "password": "secret"})
    talk = Talk(v.page)
    model.says(stack, *[(0.03, f"w{i} ") for i in range(60)])
    expect(talk.ask("Count")).to_contain_text("w5 ")
    v.watch.expect(REFUSED, "ERR_INVALID_AUTH_CREDENTIALS")
    password(etc, "another")
    try:
        expect(talk.ended()).to_contain_text("w59")
        model.says(stack, "all is well")
        lost(v, talk, "And now?")
    finally:
        password(etc, "secret")
    back(v, talk, "And now?")
    model.obeys(stack)


def enter(page):
    page.get_by_role("textbox", name="Name").fill("ada")
    page.get_by_role("textbox", name="Password").fill("secret")
    page.get_by_role("button", name="Let me in").click()


def test_a_cookie(stack, visit, says):
    """mod_auth_form with its own form, in the page's place and in the window."""
    v = visit(stack.url, "/form/")
    v.watch.expect(REFUSED, "console error: .*favicon")
    enter(v.page)
    talk = Talk(v.page)
    talk.asks("Before")
    v.context.clear_cookies()
    lost(v, talk, "Without a login")
    back(v, talk, "Without a login", enter)


def test_a_redirect_to_another_host(stack, elsewhere, visit, says):
    """The page does not follow it: nobody comes there."""
    v = visit(stack.url, "/login/form.html")
    v.watch.expect("request to another host: http://login.example.org")  # Chromium tells of the redirect, and does not follow it
    cookie = {"name": "sso", "value": "in", "url": stack.url}
    v.context.add_cookies([cookie])
    v.page.goto(stack.url + "/sso/")
    talk = Talk(v.page)
    talk.asks("Before")
    v.context.clear_cookies()
    lost(v, talk, "Without a login")
    assert not elsewhere.visited()
    v.context.add_cookies([cookie])
    back(v, talk, "Without a login")
    assert not elsewhere.visited()
    v.context.clear_cookies()
    v.page.evaluate("() => location.assign('signin.html')")
    env.wait_for(lambda: v.page.wait_for_timeout(20) or elsewhere.visited(), 5, "visit: the listener would have seen none")


def test_signing_in_elsewhere(stack, visit, says):
    """In another tab, which tells this one."""
    v = visit(stack.url, "/form/")
    v.watch.expect(REFUSED, "console error: .*favicon", "Scripts may close only the windows that were opened by them")
    enter(v.page)
    talk = Talk(v.page)
    talk.asks("Before")
    v.context.clear_cookies()
    lost(v, talk, "Without a login")
    other = v.tab("/form/signin.html")
    enter(other)
    expect(v.page.get_by_role("alert").filter(has_text=BANNER)).to_have_count(0)
    talk.press("Try again")
    expect(talk.ended()).to_contain_text("all is well")
