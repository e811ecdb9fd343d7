"use strict";
(() => {
  const bar = document.querySelector(".filters");
  if (!bar) return;
  bar.hidden = false;
  const search = bar.querySelector("input[type=search]");
  const states = [...bar.querySelectorAll("input[type=checkbox]")];
  const told = bar.querySelector("output");
  const rows = [...document.querySelectorAll("[data-text]")];
  const groups = [...document.querySelectorAll("details[id]")];
  const apply = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = new Set(states.filter((box) => box.checked).map((box) => box.value));
    const shown = new Set();
    let count = 0;
    for (const row of rows) {
      const text = row.dataset.text.toLowerCase();
      const fits = (!states.length || wanted.has(row.dataset.state)) && words.every((word) => text.includes(word));
      row.hidden = !fits;
      if (fits) {
        count += 1;
        shown.add(row.dataset.group);
      }
    }
    for (const group of groups) group.hidden = !shown.has(group.id);
    told.textContent = count === rows.length ? "" : `${count} of ${rows.length} shown`;
  };
  const reveal = () => {
    const group = location.hash && document.getElementById(location.hash.slice(1));
    if (group && group.tagName === "DETAILS") group.open = true;
  };
  search.addEventListener("input", apply);
  for (const box of states) box.addEventListener("change", apply);
  for (const button of bar.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      for (const group of groups) group.open = button.value === "open";
    });
  }
  window.addEventListener("hashchange", reveal);
  reveal();
  apply();
})();
