"""How the page of a slide is laid: the slide fills the window, the panel beside it can go away, the rest is thin."""

PANEL_PX = 370  # the card of a click stands 12 px beside it

STYLE = """
<style>
[data-testid="stMainBlockContainer"]:has(.st-key-stage) { padding: 0; max-width: none; }
[data-testid="stMainBlockContainer"]:has(.st-key-stage) > [data-testid="stVerticalBlock"] { gap: 0; }
[data-testid="stMainBlockContainer"]:has(.st-key-stage) [data-testid="stHorizontalBlock"]:has(.ps-brand) {
  padding: 3px 12px; }
[data-testid="stMainBlockContainer"]:has(.st-key-stage) .ps-brand { font-size: 1.1rem; line-height: 2rem; }
[data-testid="stMainBlockContainer"]:has(.st-key-stage) [data-testid="stHorizontalBlock"]:has(.ps-brand) button {
  min-height: 2rem; padding: 0 .6rem; }
[data-testid="stMainBlockContainer"]:has(.st-key-stage) :is(.ps-research, .ps-synthetic) { padding: 2px 12px;
  border-radius: 0; font-size: .78rem; line-height: 1.3; }
.st-key-slide-row { align-items: stretch; flex-wrap: nowrap; }
.st-key-stage { min-width: 0; }
.st-key-panel [data-testid="stVerticalBlock"] { gap: .4rem; }
.st-key-pie { gap: 0 .8rem; }
.st-key-panel { height: calc(100vh - var(--ps-top, 70px)); overflow: hidden auto; padding: .4rem .9rem 1rem;
  border-left: 1px solid var(--ps-line, #D5DCE4); }
:root:is([data-ps-folded], :fullscreen) :is(.st-key-panel, [data-testid="stLayoutWrapper"]:has(> .st-key-panel)),
:root[data-ps-spot-closed] .st-key-spot { display: none; }
:root:fullscreen [data-testid="stHorizontalBlock"]:has(.ps-brand) { display: none; }
.st-key-spot { position: fixed; z-index: 5; right: 382px; bottom: 150px; width: min(350px, calc(100vw - 40px));
  max-height: calc(100vh - 260px); overflow: hidden auto; padding: .5rem .7rem; gap: .3rem; border-radius: 10px;
  border: 1px solid var(--ps-line, #D5DCE4); background: var(--ps-sheet, #FFF);
  box-shadow: 0 6px 24px rgb(0 0 0 / 22%); }
.st-key-spot .ps-spot { padding: 0 1.6rem 0 0; background: none; }
:root:is([data-ps-folded], :fullscreen) .st-key-spot { right: 12px; }
:root[data-ps-spot-left][data-ps-spot-left] .st-key-spot { right: auto; left: 180px; }
.ps-close { position: absolute; z-index: 1; top: 6px; right: 8px; width: 26px; height: 26px; padding: 0;
  border: 1px solid var(--ps-line, #D5DCE4); border-radius: 6px; background: none; color: inherit; cursor: pointer; }
.ps-tiles { margin: .35rem 0 0; padding: .15rem .6rem; border: 1px solid currentColor; border-radius: 6px;
  background: none; color: inherit; font: inherit; font-size: .86rem; font-weight: 600; cursor: pointer; }
@media (max-width: 899px) {
  .st-key-slide-row { flex-direction: column; }
  .st-key-panel { height: auto; border: 0; }
}
</style>
"""
