"""The phones of the sandbox's page in a browser: what a chat shows, and what keeps its place over updates."""

import pytest
from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.remote.webelement import WebElement

from tests.sandbox import phone_page
from tests.sandbox.phone_driver import DOWN, ENTER, ESCAPE, RIGHT, UP, Handset
from tests.sandbox.phone_page import STUDENT, TEACHER, PhonePage

pytestmark = [pytest.mark.integration, pytest.mark.browser, pytest.mark.ordeal]

PICTURE = ("p.png", phone_page.PIXEL, "image/png")


def console(driver: webdriver.Chrome) -> list[str]:
    return [str(entry["message"]) for entry in driver.get_log("browser")]  # type: ignore[no-untyped-call]


def classes(element: WebElement) -> list[str]:
    return str(element.get_attribute("class")).split()


class TestChat:
    """What a chat shows."""

    def test_start(self, page: PhonePage, driver: webdriver.Chrome) -> None:
        """An empty chat says what the bot does and has a Start button; afterwards there is a text box."""
        page.bot("teacher", "setMyDescription", description="Takes attendance in class")
        phone = Handset(driver, "Yerlan")
        phone.one(".intro", "Takes attendance in class")
        assert phone.all("textarea") == []
        phone.press("start")
        phone.sees("/start")
        assert phone.button("message").is_displayed()
        phone.sees_no(".intro")

    def test_bubbles(self, page: PhonePage, teacher: Handset, driver: webdriver.Chrome) -> None:
        """Messages stand below the day, with time, the person's with ticks: two once the bot has answered."""
        assert teacher.one(".day").text == "Today"
        assert len(driver.find_elements("css selector", f"{teacher.root} .ticks[aria-label=Sent]")) == 1
        page.says("teacher", TEACHER, "Hello <b>you</b>")
        bubble = teacher.sees("Hello you")
        assert "bot" in classes(bubble)
        assert bubble.find_element("css selector", "time").text.count(":") == 1
        teacher.until(
            "two ticks", lambda: driver.find_elements("css selector", f"{teacher.root} .ticks[aria-label=Read]")
        )
        assert console(driver) == []

    def test_edit_and_deletion(self, page: PhonePage, teacher: Handset, driver: webdriver.Chrome) -> None:
        """An edited message changes in place and is marked as edited; a deleted one is gone."""
        first = page.says("teacher", TEACHER, "one")
        second = page.says("teacher", TEACHER, "two")
        node = teacher.sees("one")
        teacher.sees("two")
        page.bot("teacher", "editMessageText", chat_id=TEACHER, message_id=first, text="one and a half")
        teacher.sees("one and a half")
        assert "edited" in node.text, "another node was put in its place"
        page.bot("teacher", "deleteMessage", chat_id=TEACHER, message_id=second)
        teacher.sees_no(".bubble", "two")

    def test_typing(self, page: PhonePage, teacher: Handset) -> None:
        """What the bot is doing stands below its name until its message is there."""
        page.bot("teacher", "sendChatAction", chat_id=TEACHER, action="typing")
        teacher.one(".tab .doing", "typing")
        page.says("teacher", TEACHER, "there")
        teacher.sees("there")
        teacher.sees_no(".tab .doing")

    def test_media(self, page: PhonePage, teacher: Handset, driver: webdriver.Chrome) -> None:
        """A picture has its caption as alternative text and is shown large; a document is downloaded under its name."""
        page.bot("teacher", "sendPhoto", chat_id=TEACHER, photo=PICTURE, caption="The code")
        page.bot("teacher", "sendDocument", chat_id=TEACHER, document=("a & b.csv", b"x,y", "text/csv"))
        picture = teacher.button("photo")
        assert picture.find_element("css selector", "img").get_attribute("alt") == "Photo: The code"
        picture.click()
        assert teacher.one(".picture img").get_attribute("alt") == "Photo: The code"
        teacher.press("zoom")
        assert teacher.button("zoom").get_attribute("aria-pressed") == "true"
        teacher.keys(ESCAPE)
        teacher.sees_no(".picture")
        assert teacher.focused == "photo"
        file = teacher.button("document")
        assert file.get_attribute("download") == "a & b.csv"
        assert "3 B" in file.text

    def test_reaction(self, page: PhonePage, teacher: Handset, driver: webdriver.Chrome) -> None:
        """The bot's reaction stands below a message of the person."""
        message = page.screen("teacher", TEACHER)["messages"][0]["message_id"]
        reaction = [{"type": "emoji", "emoji": "\N{OK HAND SIGN}"}]
        page.bot("teacher", "setMessageReaction", chat_id=TEACHER, message_id=message, reaction=reaction)
        assert teacher.one(".reaction").get_attribute("aria-label") == "Reaction: \N{OK HAND SIGN}"

    def test_links(self, page: PhonePage, teacher: Handset, driver: webdriver.Chrome) -> None:
        """A start link to a bot of the page asks the page whose phone opens it; another link opens a new tab."""
        page.says("teacher", TEACHER, "https://t.me/student_test_bot?start=482913 or https://kbtu.example/x")
        teacher.press("link:482913")
        opened = driver.execute_script("return window.opened.map(([bot, code]) => [bot, code])")
        assert opened == [["student_test_bot", "482913"]]
        link = teacher.one(".words a")
        assert (link.get_attribute("target"), link.get_attribute("rel")) == ("_blank", "noopener noreferrer")

    def test_blocked(self, page: PhonePage, teacher: Handset) -> None:
        """A person blocks the bot in the menu, and unblocks it where the text box was."""
        teacher.press("more")
        teacher.press("block")
        teacher.one(".is-blocked", "You blocked this bot.")
        assert teacher.all("textarea") == []
        teacher.press("unblock")
        assert teacher.button("message").is_displayed()

    def test_language(self, page: PhonePage, teacher: Handset) -> None:
        """The app's language changes its words, and Telegram is told of it."""
        teacher.press("more")
        teacher.press("language:ru")
        teacher.one(".day", "Сегодня")
        assert teacher.button("message").get_attribute("placeholder") == "Сообщение"
        assert page.telegram.world.people[TEACHER].language_code == "ru"

    def test_several_chats(self, page: PhonePage, student: Handset) -> None:
        """Messages of the other chat are counted on its tab until it is shown; arrow keys change the chat."""
        page.says("student", STUDENT, "one")
        page.says("student", STUDENT, "two")
        student.one('[data-action="chat:student"] .unread', "2")
        student.press("chat:marker")
        student.keys(RIGHT)
        student.sees("two")
        student.sees_no(".unread")
        assert student.focused == "chat:student"

    def test_new_photo(self, page: PhonePage, student: Handset, driver: webdriver.Chrome) -> None:
        """A person's new ID photo is shown on the phone."""
        assert student.one(".owner .avatar").text == "A"
        driver.execute_script("const p = phones.Aruzhan; p.introduce({ ...p.person, photo: '/page/phone-wall.svg' })")
        assert "/page/phone-wall.svg" in str(student.one(".owner .avatar img").get_attribute("src"))

    def test_phone_out_of_view(self, page: PhonePage, teacher: Handset, driver: webdriver.Chrome) -> None:
        """While the page hides a phone its new messages are counted; they are read once it is shown again."""
        script = "phones.Yerlan.node.hidden = arguments[0]"
        driver.execute_script(script, True)
        page.says("teacher", TEACHER, "one")
        unread = "return phones.Yerlan.unread"
        teacher.until("one message", lambda: driver.execute_script(unread) == 1)
        driver.execute_script(script, False)
        teacher.until("none", lambda: driver.execute_script(unread) == 0)


class TestPressing:
    """What a person presses in a chat."""

    def test_tap(self, page: PhonePage, teacher: Handset) -> None:
        """A pressed button is busy until the bot answers; the answer's text is a short notice."""
        page.says("teacher", TEACHER, "Choose", [["Yes", "No"]])
        teacher.press("inline:Yes")
        teacher.one("[data-action='inline:Yes'][aria-busy=true]")
        (tap,) = teacher.until("a tap", page.taps)
        page.bot("teacher", "answerCallbackQuery", callback_query_id=tap["tap_id"], text="Saved <b>")
        teacher.notice("Saved <b>")
        teacher.sees_no(".inline[aria-busy=true]")

    def test_two_taps(self, page: PhonePage, teacher: Handset) -> None:
        """Two buttons pressed in a row are both free again, also if both answers come at once."""
        page.says("teacher", TEACHER, "Choose", [["Yes", "No"]])
        teacher.press("inline:Yes")
        teacher.press("inline:No")
        for tap in teacher.until("two taps", lambda: (taps := page.taps()) and len(taps) == 2 and taps):
            page.bot("teacher", "answerCallbackQuery", callback_query_id=tap["tap_id"])
        teacher.sees_no(".inline[aria-busy=true]")
        teacher.sees_no(".notice")

    def test_alert(self, page: PhonePage, teacher: Handset) -> None:
        """An alert is a dialog that has to be closed; the focus returns to the button."""
        page.says("teacher", TEACHER, "Choose", [["Yes"]])
        teacher.press("inline:Yes")
        (tap,) = teacher.until("a tap", page.taps)
        page.bot("teacher", "answerCallbackQuery", callback_query_id=tap["tap_id"], text="Not now", show_alert=True)
        alert = teacher.one("[role=alertdialog]", "Not now")
        assert alert.get_attribute("aria-modal") == "true"
        teacher.focuses("ok")
        teacher.keys(ENTER)
        teacher.sees_no("[role=alertdialog]")
        teacher.focuses("inline:Yes")

    def test_alert_elsewhere(self, page: PhonePage, teacher: Handset, student: Handset) -> None:
        """An alert takes no focus from somebody who types on another phone."""
        page.says("teacher", TEACHER, "Choose", [["Yes"]])
        teacher.press("inline:Yes")
        (tap,) = teacher.until("a tap", page.taps)
        student.types("half a sent")
        page.bot("teacher", "answerCallbackQuery", callback_query_id=tap["tap_id"], text="Not now", show_alert=True)
        teacher.one("[role=alertdialog]", "Not now")
        student.keys("ence")
        assert student.button("message").get_attribute("value") == "half a sentence"

    def test_reply_keyboard(self, page: PhonePage, teacher: Handset) -> None:
        """Buttons of the reply keyboard share number and place, or send their text; used once, it is gone."""
        rows = [
            [{"text": "Share number", "request_contact": True}],
            [{"text": "Share place", "request_location": True}],
        ]
        markup = {"keyboard": [*rows, ["Cancel"]], "one_time_keyboard": True, "input_field_placeholder": "Or type it"}
        page.says("teacher", TEACHER, "Share", reply_markup=markup)
        teacher.press("reply:Share number")
        teacher.one(".bubble.contact", "+7701003001")
        teacher.sees_no(".keyboard")
        page.says("teacher", TEACHER, "Again", reply_markup=markup)
        teacher.sees("Again")
        assert teacher.button("message").get_attribute("placeholder") == "Or type it"
        teacher.press("reply:Share place")
        teacher.one(".bubble.location", "In class")
        page.says("teacher", TEACHER, "And again", reply_markup=markup)
        teacher.press("reply:Cancel")
        teacher.sees("Cancel")
        location = page.screen("teacher", TEACHER)["messages"][-3]["location"]
        assert location["horizontal_accuracy"] == 5

    def test_commands(self, page: PhonePage, teacher: Handset) -> None:
        """The menu button lists the bot's commands; a typed slash offers those that fit."""
        commands = [{"command": each, "description": each.title()} for each in ("start", "language", "help")]
        page.bot("teacher", "setMyCommands", commands=commands)
        page.says("teacher", TEACHER, "Hello, see /help")
        teacher.sees("Hello")
        teacher.press("menu")
        teacher.press("command:/language")
        teacher.sees("/language")
        teacher.types("/he")
        teacher.one("[role=option]", "/help")
        teacher.keys(DOWN, ENTER)
        teacher.one(".bubble.person", "/help")
        assert teacher.button("message").get_attribute("value") == ""
        assert [each["text"] for each in page.screen("teacher", TEACHER)["messages"][-2:]] == ["/language", "/help"]

    def test_own_messages(self, page: PhonePage, teacher: Handset, driver: webdriver.Chrome) -> None:
        """A person edits the last message by the arrow key, and deletes one in its menu."""
        teacher.types("a mistaek")
        teacher.keys(ENTER)
        bubble = teacher.sees("a mistaek")
        teacher.keys(UP)
        teacher.one(".editing", "Edit: a mistaek")
        teacher.button("message").clear()
        teacher.types("a typo")
        teacher.keys(ENTER)
        teacher.sees("a typo")
        assert "edited" in bubble.text
        assert teacher.all(".editing") == []
        ActionChains(driver).context_click(bubble).perform()
        teacher.press("message:delete")
        teacher.sees_no(".bubble", "a typo")

    def test_saved_logins(self, page: PhonePage, student: Handset) -> None:
        """What the phone has saved is typed into the text box, and sent by Enter."""
        student.press("login:username")
        assert student.button("message").get_attribute("value") == "a_student"
        student.focuses("message")
        student.keys(ENTER)
        student.sees("a_student")


class TestKept:
    """Focus, texts, selection and scroll position over updates."""

    def test_focus_and_typed_text(self, page: PhonePage, teacher: Handset, driver: webdriver.Chrome) -> None:
        """A text that is being typed, its caret and the focus stay while messages arrive and change."""
        message = page.says("teacher", TEACHER, "one", [["Yes"]])
        teacher.sees("one")
        teacher.types("half a sent")
        driver.execute_script("document.activeElement.setSelectionRange(2, 4)")
        page.bot("teacher", "editMessageText", chat_id=TEACHER, message_id=message, text="two")
        page.says("teacher", TEACHER, "three")
        teacher.sees("two")
        teacher.sees("three")
        field = "const e = document.activeElement; return [e.value, e.selectionStart, e.selectionEnd]"
        assert driver.execute_script(field) == ["half a sent", 2, 4]

    def test_focus_on_a_button(self, page: PhonePage, teacher: Handset, driver: webdriver.Chrome) -> None:
        """The focus stays on a button while its message is edited; if that is gone, it goes to the first one."""
        message = page.says("teacher", TEACHER, "one", [["Yes", "No"]])
        teacher.button("inline:No")
        driver.execute_script(f"document.querySelector('{teacher.root} [data-action=\"inline:No\"]').focus()")
        edit = {"chat_id": TEACHER, "message_id": message}
        page.bot(
            "teacher", "editMessageText", **edit, text="two", reply_markup=phone_page.keyboard([["Maybe"], ["No"]])
        )
        teacher.button("inline:Maybe")
        assert teacher.focused == "inline:No"
        page.bot("teacher", "editMessageText", **edit, text="three", reply_markup=phone_page.keyboard([["Back"]]))
        teacher.focuses("inline:Back")

    def test_mark_is_kept(self, page: PhonePage, teacher: Handset, driver: webdriver.Chrome) -> None:
        """A button keeps the tour's class `pulse` while its message is edited."""
        message = page.says("teacher", TEACHER, "one", [["Yes"]])
        teacher.button("inline:Yes")
        driver.execute_script(f"document.querySelector('{teacher.root} .inline').classList.add('pulse')")
        page.bot(
            "teacher", "editMessageText", chat_id=TEACHER, message_id=message, text="two",
            reply_markup=phone_page.keyboard([["Yes"], ["No"]]),
        )  # fmt: skip
        teacher.sees("two")
        assert "pulse" in classes(teacher.button("inline:Yes"))

    def test_selection(self, page: PhonePage, teacher: Handset, driver: webdriver.Chrome) -> None:
        """A selected part of a message stays selected while another part changes."""
        message = page.says("teacher", TEACHER, "<b>The code 482913</b>\n<i>10 s</i>")
        teacher.sees("482913")
        driver.execute_script(f"getSelection().selectAllChildren(document.querySelector('{teacher.root} .words b'))")
        page.bot(
            "teacher", "editMessageText", chat_id=TEACHER, message_id=message, parse_mode="HTML",
            text="<b>The code 482913</b>\n<i>9 s</i>",
        )  # fmt: skip
        teacher.sees("9 s")
        assert driver.execute_script("return getSelection().toString()") == "The code 482913"

    def test_scroll_position(self, page: PhonePage, teacher: Handset, driver: webdriver.Chrome) -> None:
        """A chat stays at its end; scrolled up it stays where it is, and a button counts what has arrived below."""
        for number in range(25):
            page.says("teacher", TEACHER, f"Message {number}")
        teacher.sees("Message 24")
        log = f"document.querySelector('{teacher.root} .messages')"
        at_end = f"return {log}.scrollHeight - {log}.scrollTop - {log}.clientHeight < 5"
        teacher.until("the end", lambda: driver.execute_script(at_end))
        driver.execute_script(f"{log}.scrollTop = 40")
        teacher.one('[data-action="to-end"]')
        page.says("teacher", TEACHER, "Another one")
        teacher.until("a count", lambda: teacher.button("to-end").get_attribute("data-count") == "1")
        assert driver.execute_script(f"return {log}.scrollTop") == 40
        teacher.press("to-end")
        teacher.until("the end", lambda: driver.execute_script(at_end))
        teacher.sees_no('[data-action="to-end"]')

    def test_announcements(self, page: PhonePage, teacher: Handset, driver: webdriver.Chrome) -> None:
        """Screen readers are told of new messages with person and bot, and of no edit."""
        message = page.says("teacher", TEACHER, "Hello")
        spoken = f"return document.querySelector('{teacher.root} .spoken').textContent"
        teacher.until("an announcement", lambda: driver.execute_script(spoken) == "Yerlan, Teacher: Hello")
        page.bot("teacher", "editMessageText", chat_id=TEACHER, message_id=message, text="Changed")
        teacher.sees("Changed")
        assert driver.execute_script(spoken) == "Yerlan, Teacher: Hello"
        assert teacher.one(".messages").get_attribute("aria-live") == "off"


class TestSafety:
    """Texts of bots and people never become parts of the page."""

    def test_formatting(self, page: PhonePage, driver: webdriver.Chrome) -> None:
        """Only Telegram's tags and web links of a message's HTML are kept; of all other tags only the text."""
        hostile = (
            '<b onclick="x()" style="color:red">bold</b><img src=x onerror="x()"><script>x()</script>'
            '<u id="phones"><iframe src="/"></iframe>under</u><a href="javascript:x()">bad</a> '
            '<a href="https://a.example/?b=1&amp;c">good</a><form action="//e.example"><input name=a></form>'
        )
        script = """
            const done = arguments[1], box = document.createElement("div");
            import("/page/phone-formatting.js").then(({ formatted }) => {
                box.append(formatted(arguments[0], ["some_bot"]));
                done(box.innerHTML);
            });
        """
        assert driver.execute_async_script(script, hostile) == (
            '<b>bold</b>x()<u>under</u>bad <a href="https://a.example/?b=1&amp;c" target="_blank" '
            'rel="noopener noreferrer">good</a>'
        )

    def test_texts(self, page: PhonePage, teacher: Handset, driver: webdriver.Chrome) -> None:
        """Markup in messages, labels, names and answers is shown as it was written, and runs nothing."""
        bad = "<img src=x onerror=window.hacked=1>"
        page.acts("teacher", TEACHER, text=bad)
        page.says("teacher", TEACHER, bad.replace("<", "&lt;"), [[bad, '"><b>x']])
        page.bot("teacher", "sendDocument", chat_id=TEACHER, document=("a'<i>.csv", b"x", "text/csv"), caption=bad)
        page.acts("teacher", TEACHER, contact={"phone_number": bad, "first_name": bad, "user_id": None})
        markup = {"keyboard": [[bad]], "input_field_placeholder": bad}
        page.says("teacher", TEACHER, "Share", reply_markup=markup)
        teacher.one(".inline", bad)
        teacher.one(".keyboard button", bad)
        teacher.one(".bubble.contact", bad)
        teacher.one(".inline", bad).click()
        (tap,) = teacher.until("a tap", page.taps)
        page.bot("teacher", "answerCallbackQuery", callback_query_id=tap["tap_id"], text=bad, show_alert=True)
        teacher.one("[role=alertdialog]", bad)
        assert driver.execute_script("return window.hacked") is None
        assert driver.find_elements("css selector", "img[src=x]") == []
        assert console(driver) == []
