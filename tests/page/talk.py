"""What a person does with the page, in its own words."""

from playwright.sync_api import expect


class Talk:
    """One tab of a Visit."""

    def __init__(self, page):
        self.page = page
        self.box = page.get_by_role("textbox", name="Message", exact=True)
        self.send_button = page.get_by_role("button", name="Send", exact=True)
        self.stop_button = page.get_by_role("button", name="Stop", exact=True)
        self.answers = page.get_by_role("article", name="Answer")
        self.questions = page.get_by_role("article", name="You")

    def ask(self, text):
        """Returns as soon as it is sent; the model is there by then."""
        self.page.get_by_role("button", name="fault").first.wait_for()
        self.box.fill(text)
        self.page.keyboard.press("Enter")
        return self.answers.last

    def asks(self, text):
        """The whole answer."""
        self.ask(text)
        return self.ended()

    def ended(self, state="done"):
        """The last answer, not one before it that is in this state too."""
        expect(self.answers.last).to_have_attribute("data-state", state, timeout=10000)
        return self.page.locator(f"article[aria-label=Answer][data-state={state}]").last

    def press(self, name, within=None, exact=True):
        (within or self.page).get_by_role("button", name=name, exact=exact).last.click()

    def rows(self):
        return self.page.locator(".list .row a")

    def menu(self, title, item):
        self.page.get_by_role("button", name=f"Actions for “{title}”").click()
        self.page.get_by_role("menuitem", name=item).click()
