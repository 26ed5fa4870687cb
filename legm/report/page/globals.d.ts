// What a script of the page finds beside its own modules.
declare var Plotly: any;
