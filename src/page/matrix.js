// Filters the drills of a matrix. Everything is on the page without it.
(function () {
  "use strict";
  var form = document.getElementById("filters");
  var drills = Array.prototype.slice.call(document.querySelectorAll(".matrix > tbody"));
  function matches(drill) {
    var name = form.elements.name.value.trim().toLowerCase();
    var promise = form.elements.promise.value;
    var state = form.elements.state.value;
    var version = form.elements.version.value;
    if (name && drill.dataset.name.toLowerCase().indexOf(name) < 0) { return false; }
    if (promise && drill.dataset.promise !== promise) { return false; }
    if (!state && !version) { return true; }
    return Array.prototype.some.call(drill.querySelectorAll("td[data-state]"), function (cell) {
      return (!version || cell.dataset.version === version) &&
        (!state || cell.dataset.state.split(" ").indexOf(state) >= 0);
    });
  }
  function filter() {
    var shown = 0;
    drills.forEach(function (drill) {
      drill.hidden = !matches(drill);
      if (!drill.hidden) { shown += 1; }
    });
    form.querySelector("output").value = shown + " of " + drills.length + " drills";
  }
  form.addEventListener("input", filter);
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  form.hidden = false;
  filter();
}());
