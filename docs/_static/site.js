addEventListener("load", () => {
  // Without a mouse, too, one can scroll wide code and tables.
  for (const box of document.querySelectorAll("pre, .table-wrapper"))
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  // The headings of the menu have no level.
  for (const caption of document.querySelectorAll(".caption[role=heading]"))
    caption.ariaLevel = 2;
});
