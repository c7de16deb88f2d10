"""How a register form looks: the colours of Jupyter's theme, in one column, or in two where there is room."""

from __future__ import annotations

import re

_STYLE = """
.vnb-form { container-type: inline-size; max-width: 1240px; overflow: visible; color: var(--jp-ui-font-color1);
  .vnb-form-title { font-size: 14px; font-weight: 600; }
  .vnb-form-body { flex-flow: row wrap; gap: 8px 28px; align-items: flex-start; overflow: visible; }
  .vnb-form-fields { flex: 1 1 420px; min-width: 0; overflow: visible; }
  .vnb-form-travels { flex: 1 1 340px; min-width: 0; overflow: visible; }
  .vnb-form-line textarea { font: 12px/1.5 var(--jp-code-font-family); }
  .widget-inline-hbox { max-width: 100%; min-width: 0; overflow: visible; }
  .widget-vbox, .widget-hbox { overflow: visible; min-width: 0; }
  .widget-html, .widget-html-content { min-width: 0; overflow: visible; height: auto; }
  .widget-html-content { flex: 1 1 auto; line-height: 1.5; font-size: 13px; overflow-wrap: anywhere; }
  input, textarea, select { min-width: 0; }
  .widget-dropdown > select { background-image: url("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'
    width='20' height='20'%3E%3Cpath d='M5 8l5 5 5-5' fill='none' stroke='%23888' stroke-width='2'/%3E%3C/svg%3E"); }
  .widget-label { color: var(--jp-ui-font-color1); }
  .vnb-form-words { margin: 0 2px 4px 122px; }
  .vnb-form-words .widget-html-content { font-size: 12px; }
  .vnb-form-words .vnb-dim { color: var(--jp-ui-font-color2); }
  :is(.vnb-form-words, .vnb-form-said) .vnb-bad { color: var(--jp-error-color1); font-weight: 600; }
  .vnb-form-add, .widget-checkbox { align-self: flex-start; margin-left: 122px; }
  .vnb-form-row { flex-flow: row wrap; align-items: center; }
  .vnb-form-row > .widget-text { flex: 1 1 190px; }
  .vnb-form-buttons { flex-flow: row wrap; }
  .vnb-form-buttons > .jupyter-button { width: auto; min-width: 100px; }
  .jupyter-button:focus-visible, input:focus-visible, select:focus-visible, textarea:focus-visible {
    outline: 2px solid var(--jp-brand-color1); outline-offset: 1px; }
  .jupyter-button:disabled { opacity: .5; }
  @container (max-width: 480px) {
    .widget-inline-hbox { flex-direction: column; align-items: stretch; height: auto; }
    .widget-inline-hbox > .widget-label { width: auto !important; text-align: left; }
    .widget-inline-hbox > :is(input, textarea, select) { flex: none; width: 100%; }
    .widget-inline-hbox > select { height: var(--jp-widgets-inline-height); }
    .vnb-form-words, .vnb-form-add, .widget-checkbox { margin-left: 2px; }
    .vnb-form-row > .widget-text { flex-basis: 100%; }
  }
}
"""
STYLE = re.sub(r"\s*\n\s*", " ", _STYLE).strip()
"""One rule for each part, on one line."""
