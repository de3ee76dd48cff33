"use strict";
// The page tells all without this: it adds a search, opens what a link leads to, and prints what failed opened.
(() => {
  const rows = [...document.querySelectorAll(".steps .row")];
  const find = document.getElementById("find");
  const bad = document.getElementById("bad");
  const found = document.getElementById("found");
  const texts = rows.map((row) => (row.querySelector(".n") || row).textContent.toLowerCase());
  const fine = rows.map((row) => {
    const status = row.querySelector(".line > .b");
    return !status || status.classList.contains("s-SUCCESS") || status.classList.contains("s-SKIPPED");
  });

  const filter = () => {
    const word = find.value.trim().toLowerCase();
    let shown = 0;
    rows.forEach((row, number) => {
      const hide = (bad.checked && fine[number]) || (word !== "" && !texts[number].includes(word));
      if (row.hidden !== hide) row.hidden = hide;
      shown += hide ? 0 : 1;
    });
    found.textContent = word || bad.checked ? `${shown} of ${rows.length} shown` : "";
  };
  const open = (yes) =>
    rows.forEach((row) => {
      const details = row.querySelector("details");
      if (details && !row.hidden) details.open = yes;
    });
  const follow = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target || target.tagName !== "DETAILS") return;
    target.closest(".row").hidden = false;
    target.open = true;
    target.scrollIntoView();
    target.querySelector("summary").focus({ preventScroll: true });
  };

  document.querySelector(".tools").hidden = false;
  find.addEventListener("input", filter);
  bad.addEventListener("change", filter);
  document.getElementById("open").addEventListener("click", () => open(true));
  document.getElementById("close").addEventListener("click", () => open(false));
  // A link to a step that was followed before changes no address, so a click counts too.
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#step-"]');
    if (link) setTimeout(follow);
  });
  addEventListener("hashchange", follow);
  addEventListener("beforeprint", () =>
    rows.forEach((row, number) => {
      const details = row.querySelector("details");
      if (details && !fine[number]) details.open = true;
    })
  );
  follow();
})();
