"""Builds the component tree of a page, which the server sends and the client draws.

Class names and nesting were observed on the portal; layouts, labels and buttons are placed as public scripts for it
expect them. The client (page/widgets.js) draws each component as the DOM of its Vaadin 7 widget.
"""

from __future__ import annotations

from html import escape
from typing import Any

from sandbox.portal.sessions import Session, Ui
from sandbox.portal.words import WORDS
from sandbox.portal.world import PortalWorld

Component = dict[str, Any]
CARD = "card"
_HOME = "\uf015"


def page_state(session: Session, ui: Ui, world: PortalWorld) -> dict[str, Any]:
    """The whole state of a page. Connector ids stay the same until a redraw."""
    if not ui.drawn:
        return {"ui": None, "windows": []}
    bodies = {"login": _login, "blocked": _blocked, "password expired": _password_expired, "unknown": _unknown}
    body = bodies.get(ui.view, _attendance)
    # As on the portal the root also has the card class, so not every card is a lesson.
    root = _layout(ui, "root", [_header(ui), body(session, ui, world)], styles=[CARD], expand=True)
    return {"ui": root, "windows": _windows(ui)}


def _component(ui: Ui, key: str, kind: str, styles: list[str] | None = None, **state: Any) -> Component:
    return {"id": ui.connector(key), "type": kind, "styles": styles or [], **state}


def _layout(ui: Ui, key: str, children: list[Component], kind: str = "VerticalLayout", **state: Any) -> Component:
    return _component(ui, key, kind, children=children, **state)


def _label(ui: Ui, key: str, text: str, styles: list[str] | None = None) -> Component:
    return _component(ui, key, "Label", styles, html=escape(text))


def _header(ui: Ui) -> Component:
    """The home button and the three flags, none of which marks attendance."""
    words = WORDS[ui.locale]
    flags = [
        _component(ui, f"locale:{locale}", "Button", ["link", "icon-only"], image=f"flags/{flag}.png", caption="")
        for locale, flag in (("kk", "kz"), ("ru", "ru"), ("en", "gb"))
    ]
    home = _component(ui, "home", "Button", ["borderless"], glyph=_HOME, caption=words.home)
    if ui.sign_out:
        flags.append(_component(ui, "sign_out", "Button", ["borderless"], caption=words.sign_out))
    return _layout(ui, "header", [home, *flags], kind="HorizontalLayout", styles=["header"], spacing=True)


def _login(session: Session, ui: Ui, world: PortalWorld) -> Component:
    words = WORDS[ui.locale]
    rows = [
        _component(
            ui,
            "username",
            "ComboBox",
            caption=words.username,
            value=ui.username,
            suggestions=[each for each in ui.usernames if each.lower().startswith(ui.filter)],
            filter=ui.filter,
            painted=ui.username_painted,
        ),
        # Enter in this field signs in: a public script for the portal relies on it.
        _component(ui, "password", "PasswordField", caption=words.password, enterClicks=ui.connector("sign_in")),
        _component(ui, "remember_me", "CheckBox", caption=words.remember_me, checked=ui.remember_me),
        _component(ui, "sign_in", "Button", ["primary"], caption="Дальше" if ui.unknown_buttons else words.sign_in),
    ]
    if ui.other_buttons:
        rows.insert(3, _component(ui, "forgot", "Button", ["primary"], caption="Восстановить пароль"))
    form = _component(ui, "form", "FormLayout", children=rows)
    return _layout(
        ui, "login", [_label(ui, "title", words.sign_in_title, ["h2"]), form], styles=["login"], spacing=True
    )


def _blocked(session: Session, ui: Ui, world: PortalWorld) -> Component:
    student = world.students.get(session.student or "")
    reason = (student.blocked if student else None) or ""
    text = WORDS[ui.locale].blocked.format(reason=reason)
    return _layout(
        ui,
        "information",
        [_label(ui, "information.text", text)],
        kind="InformationComponent",
        styles=["error"],
    )


def _password_expired(session: Session, ui: Ui, world: PortalWorld) -> Component:
    rows = [
        _component(ui, f"password:{caption}", "PasswordField", caption=caption, enterClicks="")
        for caption in ("Текущий пароль", "Новый пароль", "Новый пароль ещё раз")
    ]
    rows.append(_component(ui, "change", "Button", ["primary"], caption="Сохранить"))
    text = _label(ui, "expired", "Срок действия пароля истёк. Задайте новый.")
    return _layout(ui, "login", [text, _component(ui, "form", "FormLayout", children=rows)], spacing=True)


def _unknown(session: Session, ui: Ui, world: PortalWorld) -> Component:
    return _content(ui, _label(ui, "survey", WORDS[ui.locale].unknown))


def _attendance(session: Session, ui: Ui, world: PortalWorld) -> Component:
    words = WORDS[ui.locale]
    marked_ones = {lesson for lesson in ui.shown if world.is_marked(lesson, session.student or "")}
    shown = [lesson for lesson in ui.shown if not (ui.vanish and lesson in marked_ones)]
    if not shown:
        return _content(ui, _label(ui, "nothing", words.nothing_open))
    now = world.clock.monotonic()
    cards, together = [], []
    for lesson_id in shown:
        lesson = world.lessons[lesson_id]
        marked = lesson_id in marked_ones
        left = lesson.minutes_left(now)
        fields = {"subject": lesson.subject, "teacher": lesson.teacher, "time": lesson.time, "n": left}
        fields["countdown"] = words.minutes_left.format(n=left)
        lines = [line.format_map(fields) for line in lesson.label]
        text = _component(ui, f"text:{lesson_id}", "Label", ["bold"], html="<br>".join(escape(line) for line in lines))
        button = _component(
            ui,
            f"mark:{lesson_id}",
            "Button",
            ["primary"],
            caption="Зачесть" if ui.unknown_buttons else words.marked if marked else words.mark,
            disabled=marked,
        )
        parts = [text, button]
        if lesson.subject == ui.unknown_card:
            button = _component(ui, f"mark:{lesson_id}", "Button", ["primary"], caption=f"Зачесть ({left})")
            parts = [text, button]
        if ui.other_buttons:
            parts.insert(1, _component(ui, f"details:{lesson_id}", "Button", caption="Подробнее"))
        if ui.heading:
            parts.insert(0, _label(ui, f"heading:{lesson_id}", words.attendance, ["bold"]))
        together += parts
        cards.append(_layout(ui, f"card:{lesson_id}", parts, styles=[CARD], margin=True, spacing=True))
        if lesson_id not in ui.seen:
            ui.seen.add(lesson_id)
            world.log("seen", world.username(session.student), lesson_id)
    if ui.one_card:
        cards = [_layout(ui, "card", together, styles=[CARD], margin=True, spacing=True)]
    return _content(ui, _layout(ui, "lessons", cards, spacing=True))


def _content(ui: Ui, inner: Component) -> Component:
    """The frame around the content for a signed-in student."""
    title = _label(ui, "title", WORDS[ui.locale].attendance, ["h2"])
    view = _layout(ui, "view", [title, inner], spacing=True)
    return _layout(ui, "content", [view], kind="CssLayout", styles=["content"])


def _windows(ui: Ui) -> list[Component]:
    words = WORDS[ui.locale]
    if ui.window is None:
        return []
    if ui.window == "refused":
        return [_window(ui, words.error, [_label(ui, "window.text", words.refused)], ["global-error"])]
    kind, _, text = ui.window.partition(":")
    label = _label(ui, "window.text", text)
    if kind == "notice":
        return [_component(ui, "window", "Notification", caption=text)]
    if kind == "message":
        ok = _component(ui, "message.ok", "Button", caption="OK")
        return [_window(ui, words.attendance, [label, ok], [])]
    if kind in ("error", "closeless"):
        return [_window(ui, words.error, [label], ["global-error"], closable=kind == "error")]
    captions = ui.confirm_buttons.split("|") if ui.confirm_buttons else [words.yes, words.no]
    keys = ["confirm.yes", *(f"confirm.no:{number}" for number in range(1, len(captions)))]
    buttons = [_component(ui, key, "Button", caption=each) for key, each in zip(keys, captions, strict=True)]
    row = _layout(ui, "confirm.buttons", buttons, kind="HorizontalLayout")
    return [_window(ui, words.attendance, [_label(ui, "window.text", words.confirm), row], [])]


def _window(ui: Ui, caption: str, children: list[Component], styles: list[str], closable: bool = True) -> Component:
    content = _layout(ui, "window.content", children, margin=True, spacing=True)
    return _component(ui, "window", "Window", styles, caption=caption, content=content, closable=closable)
