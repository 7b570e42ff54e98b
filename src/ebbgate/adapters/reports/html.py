"""HTML by Jinja2, with everything that is not ours escaped."""

from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ebbgate.adapters.reports.charts import svg
from ebbgate.core.incidents import ActionItem, Entry, Incident, PostMortem
from ebbgate.core.incidents.draft import moment


class HtmlPage:
    """Pages that are whole in themselves: one file, styles and charts inside, no script."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=PackageLoader("ebbgate.adapters.reports"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["moment"] = moment

    def post_mortem(
        self, document: PostMortem, incident: Incident, timeline: Sequence[Entry], actions: Sequence[ActionItem]
    ) -> str:
        drawn = [(chart, Markup(svg(chart))) for chart in document.facts.charts]
        return self._templates.get_template("post_mortem.html").render(
            document=document, incident=incident, timeline=timeline, actions=actions, charts=drawn
        )
