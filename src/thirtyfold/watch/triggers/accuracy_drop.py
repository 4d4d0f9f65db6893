"""Retrain when true answers show that it has become worse."""

from thirtyfold.watch.live import News

__all__ = ["AccuracyDrop"]


class AccuracyDrop:
    """Fires when the accuracy monitor raised an alarm."""

    def fires(self, news: News) -> tuple[bool, str]:
        alarms = news.alarms("accuracy")
        return (True, f"accuracy fell: {alarms[0].why}") if alarms else (False, "accuracy did not fall")
