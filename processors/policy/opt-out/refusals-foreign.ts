// Opt-out: refusals in Spanish, French, German, Portuguese and Italian, in comparable form (no accents, no
// apostrophes). Own list; the words of a keyword alone are in words.ts.

import type { Way } from './refusals.js';

const later =
  '(?! (?:hoy|ahora|manana|antes|despues|hasta|por la|de noche|aujourd|maintenant|demain|avant|apres|ce soir|heute|jetzt|morgen|vor|nach|hoje|agora|amanha|depois|oggi|ora|domani|prima|dopo))';

/** One part each. */
export const foreignWays: readonly Way[] = [
  {
    id: 'stop',
    pattern:
      /^(?:por favor |svp |bitte |per favore |merci )?(?:arretez|arrete|parem|pare|aufhoren|smettetela|smettila|detengase|detenganse)(?: por favor| svp| bitte| per favore| merci| tout de suite| sofort| subito| ya)*$/,
  },
  {
    id: 'es: does not want',
    pattern:
      /\bno (?:quiero|deseo) que (?:me |nos )?(?:vuelvan a )?(?:llam|escrib|envi|mand|contact|molest)/,
  },
  {
    id: 'es: stop',
    pattern:
      /\b(?:deja|deje|dejen|dejad|paren|pare|para) (?:ya )?de (?:enviar|mandar|escribir|llamar|molestar|contactar|textear)/,
  },
  {
    id: 'es: do not',
    pattern: new RegExp(
      `\\bno (?:me |nos )?(?:vuelva[ns]? a )?(?:envi(?:e|en|es|ar)|mand(?:e|en|es|ar)|escrib(?:a|an|as|ir)|llam(?:e|en|es|ar)|contact(?:e|en|es|ar)|molest(?:e|en|es|ar))(?:me|nos)?(?: mas\\b| nunca\\b| de nuevo\\b| mas mensajes\\b| mensajes\\b| textos\\b|$)${later}`,
    ),
  },
  {
    id: 'es: no more',
    pattern:
      /\bno (?:quiero|deseo)(?: recibir)? (?:mas |sus |estos |tus )*(?:mensajes|textos|llamadas|sms|publicidad|correos|promociones)|^(?:por favor )?(?:ya )?no mas (?:mensajes|textos|llamadas|sms|publicidad|por favor)/,
  },
  {
    id: 'es: take off',
    pattern:
      /\b(?:quit|borr|elimin|sac|remuev)(?:e|en|a|an)(?:me|nos)\b|\b(?:dar(?:me)?|dame|deme|denme) de baja|\b(?:borr|elimin|quit)(?:e|en|a) mi numero/,
  },
  { id: 'es: alone', pattern: /\bdeje?n?me en paz/ },
  {
    id: 'fr: stop',
    pattern:
      /\barret(?:ez|e|er) (?:de |d )?(?:(?:m |me |nous )?(?:envoyer|ecrire|appeler|contacter|harceler|deranger|texter|spammer)|(?:les |vos |ces |tous |tes )+(?:messages|sms|textos|appels|pubs?|mails?))/,
  },
  {
    id: 'fr: do not',
    pattern:
      /\b(?:ne |n )(?:me |m |nous )?(?:appelez|appelle|contactez|contacte|envoyez|envoie|ecrivez|ecris|textez|derangez|rappelez|plus (?:me |m )?(?:appeler|contacter|envoyer|ecrire|deranger))(?: moi)? ?(?:plus|jamais|$|de messages|de sms)?/,
  },
  {
    id: 'fr: no more',
    pattern:
      /\bje ne (?:veux|souhaite|desire) (?:plus|pas) (?:recevoir|etre contacte|de (?:messages|sms|textos|pub|mails)|vos|que vous)|^(?:svp |merci )?plus de (?:messages|sms|textos|pub|publicite|mails|appels)/,
  },
  {
    id: 'fr: take off',
    pattern:
      /\b(?:desabonnez|desinscrivez|retirez|supprimez|enlevez|desabonne|retire|enleve) (?:moi|nous|mon numero)|\bme (?:desabonner|desinscrire)\b/,
  },
  {
    id: 'fr: alone',
    pattern: /\b(?:laissez|laisse|foutez|fichez) (?:moi )(?:tranquille|la paix|en paix)/,
  },
  {
    id: 'de: stop',
    pattern:
      /\b(?:hor|horen|hort)(?: sie)?(?: endlich| bitte)? auf\b(?=$| mir| mich| uns| zu| mit)/,
  },
  {
    id: 'de: do not',
    pattern:
      /\b(?:ruf|rufen|ruft|schreib|schreiben|schreibt|kontaktier|kontaktieren|schick|schicken|schickt|sende|senden|belastig|belastigen)(?:e|en)?(?: sie| ihr)? (?:mich|mir|uns)(?: bitte)? (?:nicht mehr|nie wieder|keine|nicht(?= an$|$))|\b(?:nicht mehr|nie wieder) (?:anrufen|schreiben|kontaktieren|texten|belastigen)/,
  },
  {
    id: 'de: no more',
    pattern:
      /\bkeine (?:weiteren |sms |werbe)?(?:nachrichten|sms|anrufe|werbung|mails|werbenachrichten|newsletter)(?: mehr| bitte|$)|\b(?:mochte|will) (?:keine|nicht mehr) (?:weiteren |ihre )?(?:nachrichten|sms|anrufe|werbung|kontaktiert)/,
  },
  {
    id: 'de: take off',
    pattern:
      /\b(?:melden|meldet|tragen|nehmen|streichen|loschen) (?:sie )?(?:mich|meine (?:nummer|daten))(?: bitte)?(?: ab| aus| von|$)|\b(?:mich|newsletter|sms) (?:bitte )?(?:abmelden|austragen|loschen)\b/,
  },
  {
    id: 'de: alone',
    pattern: /\b(?:lassen sie|lass|lasst) (?:mich|uns) (?:bitte |endlich )?in (?:ruhe|frieden)/,
  },
  {
    id: 'pt: stop',
    pattern:
      /\b(?:pare|parem|para|parar) de (?:me )?(?:enviar|mandar|ligar|escrever|mensagens|incomodar|perturbar)/,
  },
  {
    id: 'pt: do not',
    pattern: new RegExp(
      `\\bnao (?:me )?(?:envie|enviem|mande|mandem|ligue|liguem|escreva|escrevam|contate|incomode|perturbe)(?:m)?(?: mais\\b| nunca\\b| mensagens\\b|$)${later}`,
    ),
  },
  {
    id: 'pt: no more',
    pattern:
      /\bnao quero (?:mais )?(?:receber|mensagens|ligacoes|sms|propaganda)|^(?:por favor )?(?:chega de|sem mais) (?:mensagens|sms|ligacoes)/,
  },
  {
    id: 'pt: take off',
    pattern:
      /\b(?:me )?(?:tire|tirem|remova|removam|retire|retirem|exclua|descadastre|descadastrar)(?: me| meu numero|m me)(?: d[ae]|$)|\bme (?:tire|tirem|remova|removam|retire|descadastre)\b/,
  },
  { id: 'pt: alone', pattern: /\bme deixe(?:m)? em paz/ },
  {
    id: 'it: stop',
    pattern:
      /\bsmett(?:ete|etela|i|ila|a)(?: di)?\b|\bbasta (?:messaggi|sms|chiamate|pubblicita|mail)/,
  },
  {
    id: 'it: do not',
    pattern:
      /\bnon (?:mi |ci )?(?:scriv|chiam|contatt|invi|mand|disturb)(?:ete|ate|ere|are|i|a|armi|ermi|atemi|etemi)(?:mi)?(?: piu\b| mai\b| messaggi\b|$)/,
  },
  {
    id: 'it: no more',
    pattern:
      /\bnon (?:voglio|desidero) (?:piu )?(?:ricevere|essere contattat|messaggi|sms|pubblicita)/,
  },
  {
    id: 'it: take off',
    pattern:
      /\b(?:cancell|rimuov|elimin|togli)(?:atemi|etemi|ami|imi|etemi|ete il mio numero|ate il mio numero)\b/,
  },
  { id: 'it: alone', pattern: /\blasci(?:atemi|ami) in pace/ },
];
