"""Django's language and time zone of one job are not those of the next."""

from django.utils import timezone, translation

from livejobs import live_job

ZONE = str(timezone.get_default_timezone())


@live_job
def speaks():
    translation.activate("de")
    timezone.activate("Asia/Tokyo")
    return translation.get_language()


@live_job
def listens():
    return [translation.get_language() == "de", str(timezone.get_current_timezone()) == ZONE]


STEPS = [("speaks", {}, {"result": "de"}), ("listens", {}, {"result": [False, True]})]
