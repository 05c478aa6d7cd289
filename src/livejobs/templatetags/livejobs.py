"""What the templates of Livejobs need, and nothing a host has to know."""

from __future__ import annotations

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from livejobs.web.words import say

register = template.Library()


@register.simple_tag
def livejobs_module(path: str) -> str:
    """The address of a JavaScript module under its plain name.

    Modules import each other by plain names, which Django does not rewrite when it hashes static files. One that was
    loaded under a hashed name would be a second copy; Django leaves the address of a folder as it is.
    """
    return static("livejobs/") + path


@register.simple_tag
def livejobs_icon(name: str) -> SafeString:
    """An icon from the sprite in the page. It is decoration: the word beside it says the same."""
    return format_html('<svg class="lj-icon" aria-hidden="true"><use href="#lj-{}"></use></svg>', name)


@register.simple_tag
def livejobs_say(key: str, **values: object) -> str:
    """A text of the table of words, its braces filled."""
    return say(key, **values)


@register.simple_tag
def livejobs_time(at: str) -> SafeString:
    """A moment for the scripts to write in the reader's zone and language; without them in UTC, which is said.

    :param at: ISO 8601.
    """
    text = f"{at[:10]} {at[11:19]} UTC"  # as `public_job.iso` writes it
    return format_html('<time datetime="{}"><noscript>{}</noscript></time>', at, text)


@register.simple_tag
def livejobs_next(at: str) -> SafeString:
    """When the next attempt is due, the time as in `livejobs_time`."""
    return format_html(say("edge_next", time="{}"), livejobs_time(at))
