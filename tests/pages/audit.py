"""What every kiosk page must hold: axe-core, and sizes and line heights that axe does not know."""

from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

_AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
TEXT_PX_MIN = 18
TARGET_PX_MIN = 60
LINE_HEIGHT_MIN = 1.3

_RULES = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']"
_SIZES = """([textMin, targetMin, lineMin]) => {
  const unseen = '.out-of-sight, .hidden, .el-checkbox__input'
  const visible = (element) => element.checkVisibility() && !element.closest(unseen)
  const shown = (element) => element.className + ': ' + element.textContent.trim().slice(0, 20)
  const found = []
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement
    if (walker.currentNode.textContent.trim() === '' || !visible(element)) continue
    const style = getComputedStyle(element)
    const size = parseFloat(style.fontSize)
    if (size < textMin) found.push(`text of ${size} px in ${shown(element)}`)
    const line = parseFloat(style.lineHeight) / size
    if (line < lineMin - 0.001) found.push(`lines of ${line} in ${shown(element)}`)
  }
  for (const element of document.querySelectorAll('a, button, input, [tabindex="0"]')) {
    if (!visible(element)) continue
    const { width, height } = element.getBoundingClientRect()
    const small = Math.min(width, height)
    if (small < targetMin) found.push(`target of ${small} px: ${shown(element)}`)
  }
  const page = document.documentElement
  if (page.scrollWidth > page.clientWidth) found.push('the page scrolls sideways')
  for (const element of document.querySelectorAll('.stage, .page, .page-body'))
    if (element.scrollWidth > element.clientWidth + 1)
      found.push(`wider than its place: ${element.className}`)
  return found
}"""


@cache
def _axe() -> str:
    return _AXE.read_text("utf-8")


def audit(page: Page, *, text_px: int = TEXT_PX_MIN, target_px: int = TARGET_PX_MIN) -> None:
    """Nothing that WCAG 2.2 AA forbids, no contrast left open, no small text or target."""
    page.evaluate(_axe())
    answer = page.evaluate(f"axe.run(document, {{runOnly: {_RULES}}})")
    unsure = [each for each in answer["incomplete"] if each["id"] == "color-contrast"]
    sizes = page.evaluate(_SIZES, [text_px, target_px, LINE_HEIGHT_MIN])
    found = [*_found(answer["violations"]), *_found(unsure), *sizes]
    assert found == [], found


def _found(results: Any) -> list[tuple[str, str, str]]:
    return [
        (each["id"], node["html"][:200], node.get("failureSummary", ""))
        for each in results
        for node in each["nodes"]
    ]
